/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_DOCTOR_FILES_H
#define NETD_DOCTOR_FILES_H

/* doctor_files.h - files of other programs that the doctor looks at; all may be absent */

#include "doctor/doctor.h"

/* facts has its networks. */
void doctor_read_files(const struct snapshot *snap, struct doctor_facts *facts);

#endif
