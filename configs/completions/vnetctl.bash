# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion of vnetctl(8)
_vnetctl()
{
	local line
	COMPREPLY=()
	while IFS= read -r line; do
		COMPREPLY+=("$line")
	done < <("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _vnetctl vnetctl
