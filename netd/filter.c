/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * filter.c - the system calls of each role, by seccomp(2); see confine.h
 *
 * Lists of what may be called. Where a call is dangerous by its arguments, those
 * are looked at: which sockets, which ioctls, no memory that can be executed, no
 * user but dnsmasq's. A process that is started inherits the filter and adds its
 * own, so the broker's lets through what dnsmasq's does.
 */

#include "netd/confine.h"

#include "base/mem.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* The C library, files, descriptors and the loop. */
static const char *const common[] = {
	"accept4", "access", "bind", "brk", "clock_getres", "clock_gettime", "clock_nanosleep", "close",
	"close_range", "connect", "dup", "dup2", "dup3", "epoll_create1", "epoll_ctl", "epoll_pwait",
	"epoll_wait", "exit", "exit_group", "faccessat", "faccessat2", "fcntl", "fdatasync", "fstat",
	"fstatfs", "fsync", "ftruncate", "futex", "getcwd", "getdents64", "getegid", "geteuid", "getgid",
	"getpeername", "getpgrp", "getpid", "getppid", "getrandom", "getrlimit", "getrusage", "getsockname",
	"getsockopt", "gettid", "gettimeofday", "getuid", "inotify_add_watch", "inotify_init1",
	"inotify_rm_watch", "listen", "lseek", "madvise", "membarrier", "mkdir", "mkdirat", "mremap", "munmap",
	"nanosleep", "newfstatat", "open", "openat", "pidfd_open", "pipe2", "poll", "ppoll", "pread64",
	"pwrite64", "read", "readlink", "readlinkat", "readv", "recvfrom", "recvmmsg", "recvmsg", "rename",
	"renameat", "renameat2", "restart_syscall", "rmdir", "rseq", "rt_sigaction", "rt_sigprocmask",
	"rt_sigreturn", "sched_getaffinity", "sched_yield", "sendmmsg", "sendmsg", "sendto",
	"set_robust_list", "set_tid_address", "setsockopt", "shutdown", "sigaltstack", "signalfd4", "stat",
	"statfs", "statx", "sysinfo", "time", "umask", "uname", "unlink", "unlinkat", "write", "writev",
	NULL
};

/* Its own files are given modes and dnsmasq's group; abort() is tgkill. */
static const char *const netd_only[] = { "chmod", "fchmod", "fchmodat", "fchown", "setrlimit", "tgkill", NULL };

static const char *const dnsmasq_only[] = {
	"accept", "alarm", "arch_prctl", "capget", "capset", "chdir", "clone", "execve", "fork",
	"getgroups", "getitimer", "getpgid", "getsid", "gettimeofday", "kill", "lstat", "pipe", "prctl",
	"pselect6", "select", "setitimer", "setsid", "socketpair", "tgkill", "times", "vfork", "wait4",
	"getresuid", "getresgid", NULL
};

/* It makes namespaces' sockets and nodes, and starts dnsmasq in its place. */
static const char *const broker_only[] = {
	"fsconfig", "fsmount", "fsopen", "landlock_add_rule", "landlock_create_ruleset",
	"landlock_restrict_self", "mknodat", "pidfd_send_signal", "seccomp", "waitid", NULL
};

#if defined(__SANITIZE_ADDRESS__)
/* What the sanitizers' runtime does beside us, at the end above all. */
static const char *const sanitizers[] = {
	"arch_prctl", "clone", "getdents", "kill", "mmap", "mprotect", "personality", "prctl", "ptrace", "sched_getparam",
	"sched_getscheduler", "sched_setscheduler", "setpriority", "wait4", NULL
};
#endif

static int allow(scmp_filter_ctx filter, const char *const *names)
{
	int r = 0;

	for (; *names && r == 0; names++) {
		int number = seccomp_syscall_resolve_name(*names);

		/* Not every machine has every call; one given twice is given. */
		if (number >= 0)
			r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
		if (r == -EEXIST || r == -EDOM)
			r = 0;
	}
	return r;
}

static int allow_if(scmp_filter_ctx filter, int number, struct scmp_arg_cmp condition)
{
	int r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &condition);

	return r == -EEXIST ? 0 : r;
}

/* Rules of it have to hold together, which several conditions of one rule do. */
static int allow_ids(scmp_filter_ctx filter, int number, unsigned id)
{
	const struct scmp_arg_cmp all[] = { SCMP_A0_32(SCMP_CMP_EQ, id, 0), SCMP_A1_32(SCMP_CMP_EQ, id, 0),
					    SCMP_A2_32(SCMP_CMP_EQ, id, 0) };

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 3, all);
}

static int allow_sockets(scmp_filter_ctx filter, const int *families, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = allow_if(filter, SCMP_SYS(socket), SCMP_A0_32(SCMP_CMP_EQ, (unsigned)families[i], 0));
	return r;
}

/* Nothing is made executable, once the dynamic linker has done its work. */
static int allow_data_only(scmp_filter_ctx filter)
{
	int r = allow_if(filter, SCMP_SYS(mmap), SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	return r < 0 ? r : allow_if(filter, SCMP_SYS(mprotect), SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

/* Those of sockets (0x89..), and TUN's, which have a direction; a terminal's (TIOCSTI) have none. */
static int allow_netd_ioctls(scmp_filter_ctx filter)
{
	static const unsigned patterns[][2] = { { 0xff00, 0x8900 }, { 0xc000ff00, 0x40005400 }, { 0xc000ff00, 0x80005400 } };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(patterns) && r == 0; i++)
		r = allow_if(filter, SCMP_SYS(ioctl), SCMP_A1_32(SCMP_CMP_MASKED_EQ, patterns[i][0], patterns[i][1]));
	return r;
}

static int add_netd(scmp_filter_ctx filter)
{
	static const int families[] = { AF_UNIX, AF_NETLINK };
	int r = allow(filter, netd_only);

	if (r == 0)
		r = allow_sockets(filter, families, ARRAY_SIZE(families));
	if (r == 0)
		r = allow_netd_ioctls(filter);
	if (r == 0)
		r = allow_data_only(filter);
	/* Its own limits only. */
	return r < 0 ? r : allow_if(filter, SCMP_SYS(prlimit64), SCMP_A0_32(SCMP_CMP_EQ, 0, 0));
}

static int add_dnsmasq(scmp_filter_ctx filter)
{
	static const int families[] = { AF_UNIX, AF_NETLINK, AF_INET, AF_INET6 };
	static const char *const linker[] = { "ioctl", "mmap", "mprotect", "prlimit64", NULL };
	int r = allow(filter, dnsmasq_only);

	if (r == 0)
		r = allow(filter, linker);
	/* glibc asks for it first, and takes clone() when there is none. */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return r < 0 ? r : allow_sockets(filter, families, ARRAY_SIZE(families));
}

static int add_broker(scmp_filter_ctx filter, const struct users *users)
{
	int r = add_dnsmasq(filter);

	if (r == 0)
		r = allow(filter, broker_only);
	if (r == 0)
		r = allow_if(filter, SCMP_SYS(setns), SCMP_A1_32(SCMP_CMP_EQ, CLONE_NEWNET, 0));
	if (r == 0)
		r = allow_if(filter, SCMP_SYS(setgroups), SCMP_A0(SCMP_CMP_EQ, 0, 0));
	if (r == 0)
		r = allow_ids(filter, SCMP_SYS(setresuid), users->dnsmasq_uid);
	return r < 0 ? r : allow_ids(filter, SCMP_SYS(setresgid), users->dnsmasq_gid);
}

int filter_load(enum role role, const struct users *users, struct vnet_error *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = filter ? 0 : -ENOMEM;

	if (r == 0)
		r = allow(filter, common);
	if (r == 0)
		r = role == ROLE_NETD ? add_netd(filter) :
		    role == ROLE_BROKER ? add_broker(filter, users) : add_dnsmasq(filter);
#if defined(__SANITIZE_ADDRESS__)
	if (r == 0 && role != ROLE_DNSMASQ)
		r = allow(filter, sanitizers);
#endif
	if (r == 0) {
		/* Kernels before 4.14 cannot log what is refused. */
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
		r = seccomp_load(filter);
	}
	if (filter)
		seccomp_release(filter);
	return r < 0 ? vnet_error_set(err, r, "confine", "cannot load the system call filter: %s", strerror(-r)) : 0;
}
