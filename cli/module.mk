# SPDX-License-Identifier: GPL-2.0-or-later
# The programs that people and QEMU call.
