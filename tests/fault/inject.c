/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inject.c - system calls of netd that fail, are lost, or are its last
 *
 * Linked into tests/fault/netd with the daemon's own objects: each function here has
 * the name of the library's and stands in its place, for libmnl too. A call by which
 * netd changes something is a point; within a netlink message block each message is
 * one, and an nftables transaction is one as a whole, being that for the kernel. The
 * test counts the points of an action, then has the action done again and again with
 * one of them going wrong; the two talk by a page of memory, the file $VNET_FAULT.
 *
 * A message that fails is taken out of its block, so the kernel does all the others,
 * and its answer is written here: what the kernel would have said. An answer that is
 * lost is what a full socket makes of it: it is read and ENOBUFS takes its place.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LOG_MAX 4096
#define BLOCK_MAX (512 * 1024)

enum action {
	NOTHING,
	REFUSE,      /* it does not happen, and is answered with the number */
	LOSE,        /* it happens, and is answered with the number */
	DIE_BEFORE,
	DIE_AFTER,
	TEAR,        /* half of a write happens, then netd dies */
	CUT,         /* half of a write happens, and it is told so */
	INTERRUPT,   /* the list that is asked for changes while it is read */
};

/* Laid out for tests/support/vnetlab/fault.py, too. */
struct control {
	uint32_t is_on;         /* points are counted */
	uint32_t n;             /* of them so far */
	uint32_t at;            /* where it goes wrong: at this one of the points called `what`, from 1 */
	uint32_t times;         /* so many in a row from there on */
	uint32_t action;
	int32_t number;
	uint32_t n_met;         /* how often it went wrong */
	uint32_t n_such;        /* points called `what`, so far */
	int64_t clock_offset;   /* s, of the time of day */
	char what[64];
	char log[LOG_MAX][64];
};

static struct control *control_page;
static pid_t netd;              /* not its broker, whose calls are points too */

/* Before netd drops root and makes its broker, which then has the page as well. */
__attribute__((constructor)) static void map_control(void)
{
	const char *path = getenv("VNET_FAULT");
	int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
	void *page = MAP_FAILED;

	netd = getpid();
	if (fd >= 0) {
		page = mmap(NULL, sizeof(*control_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		syscall(SYS_close, fd);
	}
	control_page = page == MAP_FAILED ? NULL : page;
}

static struct control *control(void)
{
	return control_page;
}

/* One more point. What is to become of it? */
static enum action point(const char *format, ...) __attribute__((format(printf, 1, 2)));
static enum action point(const char *format, ...)
{
	struct control *c = control();
	char text[64];
	va_list args;

	if (!c || !c->is_on)
		return NOTHING;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (c->n < LOG_MAX)
		memcpy(c->log[c->n], text, sizeof(text));
	c->n++;
	if (!c->at || strcmp(text, c->what) != 0)
		return NOTHING;
	c->n_such++;
	if (c->n_such < c->at || c->n_such >= c->at + c->times)
		return NOTHING;
	c->n_met++;
	return (enum action)c->action;
}

static void die(void)
{
	if (getpid() != netd) {
		syscall(SYS_kill, netd, SIGKILL);
		_exit(1);
	}
	syscall(SYS_tgkill, netd, gettid(), SIGKILL);
	for (;;)
		pause();
}

/* False: the call is not made, and errno tells why. */
static bool begins(enum action action)
{
	if (action == DIE_BEFORE)
		die();
	if (action != REFUSE)
		return true;
	errno = control()->number;
	return false;
}

static long ends(enum action action, long result)
{
	if (action == DIE_AFTER)
		die();
	if (action == LOSE && result >= 0) {
		errno = control()->number;
		return -1;
	}
	return result;
}

/* What follows replaces the library's functions of these names. */
#pragma GCC visibility push(default)

/* ---- files ---- */

/* A file of netd's, or a switch of the kernel's; not its log. */
static bool is_changed_by(int fd, char path[64])
{
	char link[64];
	struct stat st;
	ssize_t n;

	if (fd <= STDERR_FILENO || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, 63);
	path[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The end of a path tells more. */
static const char *tail(const char *path)
{
	size_t n = strlen(path);

	return n > 40 ? path + n - 40 : path;
}

ssize_t write(int fd, const void *data, size_t size)
{
	enum action action = NOTHING;
	char path[64];

	if (is_changed_by(fd, path))
		action = point("write %s", tail(path));
	if (!begins(action))
		return -1;
	if (action == TEAR || action == CUT)
		size /= 2;
	size = (size_t)syscall(SYS_write, fd, data, size);
	if (action == TEAR)
		die();
	return ends(action, (long)size);
}

static long open_at(int folder, const char *path, int flags, mode_t mode)
{
	enum action action = NOTHING;

	if (!(flags & O_PATH) && (flags & (O_CREAT | O_WRONLY | O_RDWR)))
		action = point("open %s", tail(path));
	return begins(action) ? ends(action, syscall(SYS_openat, folder, path, flags, mode)) : -1;
}

/* Only who may make a file says with which mode. */
static mode_t mode_of(int flags, va_list args)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = mode_of(flags, args);
	va_end(args);
	return (int)open_at(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = mode_of(flags, args);
	va_end(args);
	return (int)open_at(folder, path, flags, mode);
}

int rename(const char *from, const char *to)
{
	enum action action = point("rename %s", tail(to));

	return begins(action) ? (int)ends(action, syscall(SYS_rename, from, to)) : -1;
}

int unlink(const char *path)
{
	enum action action = point("unlink %s", tail(path));

	return begins(action) ? (int)ends(action, syscall(SYS_unlink, path)) : -1;
}

int mkdir(const char *path, mode_t mode)
{
	enum action action = point("mkdir %s", tail(path));

	return begins(action) ? (int)ends(action, syscall(SYS_mkdir, path, mode)) : -1;
}

int fdatasync(int fd)
{
	enum action action = point("fdatasync");

	return begins(action) ? (int)ends(action, syscall(SYS_fdatasync, fd)) : -1;
}

int fsync(int fd)
{
	enum action action = point("fsync");

	return begins(action) ? (int)ends(action, syscall(SYS_fsync, fd)) : -1;
}

int ftruncate(int fd, off_t size)
{
	enum action action = point("ftruncate");

	return begins(action) ? (int)ends(action, syscall(SYS_ftruncate, fd, size)) : -1;
}

/* ---- devices, namespaces, programs ---- */

int ioctl(int fd, unsigned long request, ...)
{
	/* TUNSETIFF and its kin, whose numbers have the letter T; SIOCETHTOOL. */
	bool is_tun = _IOC_TYPE(request) == 'T' && (_IOC_DIR(request) & _IOC_WRITE);
	enum action action = NOTHING;
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (is_tun)
		action = point("ioctl T%lu", (unsigned long)_IOC_NR(request));
	return begins(action) ? (int)ends(action, syscall(SYS_ioctl, fd, request, arg)) : -1;
}

int setns(int fd, int kind)
{
	enum action action = point("setns");

	/* Into a namespace whose descriptor one has there is always a way, or netd could not go home. */
	return begins(action) ? (int)ends(action, syscall(SYS_setns, fd, kind)) : -1;
}

/* The broker's, for dnsmasq. */
pid_t fork(void)
{
	pid_t (*real)(void) = dlsym(RTLD_NEXT, "fork");
	enum action action = point("spawn dnsmasq");
	pid_t pid;

	if (!begins(action))
		return -1;
	pid = real();
	return pid ? (pid_t)ends(action, pid) : 0;
}

/* ---- the time of day ---- */

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ret);

	if (clock == CLOCK_REALTIME && control())
		ret->tv_sec += control()->clock_offset;
	return r;
}

time_t time(time_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}

/* ---- netlink ---- */

/* What a socket gives next, instead of what the kernel says or after it. */
static struct answer {
	int fd;                 /* 0: none */
	enum action action;     /* REFUSE, LOSE, INTERRUPT */
	bool is_last;           /* REFUSE: netd reads no more after it */
	struct nlmsghdr request;
	int number;
} answer;

static int protocol_of(int fd)
{
	int family = 0, protocol = -1;
	socklen_t size = sizeof(family);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0 || family != AF_NETLINK)
		return -1;
	size = sizeof(protocol);
	return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0 ? -1 : protocol;
}

static bool is_query(int protocol, const struct nlmsghdr *m)
{
	/* RTM_NEW..., DEL..., GET..., SET...; NFT_MSG_NEW..., GET..., DEL...; IPCTNL_MSG_CT_GET is 1, too. */
	if (protocol == NETLINK_ROUTE)
		return (m->nlmsg_type & 3) == 2;
	return NFNL_MSG_TYPE(m->nlmsg_type) % 3 == 1;
}

/* The name that an RTM_NEWLINK gives or goes by, for the log. */
static const char *name_of(const struct nlmsghdr *m)
{
	const struct rtattr *attr = (const void *)((const char *)NLMSG_DATA(m) + sizeof(struct ifinfomsg));
	int left = (int)NLMSG_PAYLOAD(m, sizeof(struct ifinfomsg));

	if (m->nlmsg_type > RTM_SETLINK)
		return "";
	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left))
		if (attr->rta_type == IFLA_IFNAME)
			return RTA_DATA(attr);
	return "";
}

static const char *kind_of(int protocol, const struct nlmsghdr *m)
{
	static const char *const route[] = {
		[RTM_NEWLINK - RTM_BASE] = "newlink", [RTM_DELLINK - RTM_BASE] = "dellink",
		[RTM_SETLINK - RTM_BASE] = "setlink", [RTM_NEWADDR - RTM_BASE] = "newaddr",
		[RTM_DELADDR - RTM_BASE] = "deladdr", [RTM_NEWROUTE - RTM_BASE] = "newroute",
		[RTM_DELROUTE - RTM_BASE] = "delroute", [RTM_NEWNEIGH - RTM_BASE] = "newneigh",
		[RTM_DELNEIGH - RTM_BASE] = "delneigh", [RTM_NEWQDISC - RTM_BASE] = "newqdisc",
		[RTM_DELQDISC - RTM_BASE] = "delqdisc", [RTM_NEWTCLASS - RTM_BASE] = "newtclass",
		[RTM_DELTCLASS - RTM_BASE] = "deltclass", [RTM_NEWTFILTER - RTM_BASE] = "newtfilter",
		[RTM_DELTFILTER - RTM_BASE] = "deltfilter",
	};
	size_t i = (size_t)(m->nlmsg_type - RTM_BASE);

	if (is_query(protocol, m))
		return protocol == NETLINK_ROUTE ? "query route" : "query netfilter";
	if (protocol != NETLINK_ROUTE)
		return "netfilter";
	return i < sizeof(route) / sizeof(route[0]) && route[i] ? route[i] : "rtnetlink";
}

/* The messages that are wanted are sent; how the rest is answered is noted. */
static ssize_t send_without(int fd, const char *block, size_t size, struct nlmsghdr *failed)
{
	char *last = (char *)failed;
	ssize_t n = (ssize_t)size;

	answer = (struct answer){ fd, REFUSE, false, *failed, control()->number };
	answer.is_last = last + NLMSG_ALIGN(failed->nlmsg_len) >= block + size;
	/* The kernel steps over it. */
	failed->nlmsg_type = NLMSG_NOOP;
	failed->nlmsg_flags = 0;
	if (size > NLMSG_ALIGN(failed->nlmsg_len))
		n = syscall(SYS_sendto, fd, block, size, 0, NULL, 0);
	return n;
}

/* Something goes wrong at message m of the block, which is our copy. */
static ssize_t send_wrongly(int fd, const char *block, size_t size, struct nlmsghdr *m, bool is_whole,
			    enum action action)
{
	switch (action) {
	case REFUSE:
		if (!is_whole)
			return send_without(fd, block, size, m);
		answer = (struct answer){ fd, REFUSE, true, *m, control()->number };
		return (ssize_t)size;
	/* The kernel goes through a block to its end, whatever becomes of who sent it. */
	case DIE_BEFORE:
		die();
		break;
	case DIE_AFTER:
		syscall(SYS_sendto, fd, block, size, 0, NULL, 0);
		die();
		break;
	case LOSE:
	case INTERRUPT:
		answer = (struct answer){ fd, action, true, *m, control()->number };
		break;
	default:
		break;
	}
	return syscall(SYS_sendto, fd, block, size, 0, NULL, 0);
}

static struct nlmsghdr *next_message(struct nlmsghdr *m, const char *end)
{
	m = (void *)((char *)m + NLMSG_ALIGN(m->nlmsg_len));
	return (char *)m + sizeof(*m) <= end ? m : NULL;
}

static ssize_t netlink_send(int fd, int protocol, const void *data, size_t size)
{
	static _Alignas(struct nlmsghdr) char block[BLOCK_MAX];
	struct nlmsghdr *m = (void *)block;
	enum action action;

	/* An answer that nobody has asked for does not outlive its round. */
	answer.fd = 0;
	if (size > sizeof(block))
		return syscall(SYS_sendto, fd, data, size, 0, NULL, 0);
	memcpy(block, data, size);
	if (protocol == NETLINK_NETFILTER && m->nlmsg_type == NFNL_MSG_BATCH_BEGIN) {
		action = point("transaction");
		/* The kernel names the message that it did not like: the first one. */
		return send_wrongly(fd, block, size, next_message(m, block + size), true, action);
	}
	for (; m; m = next_message(m, block + size)) {
		action = point("%s%s %s", (char *)m == block ? "" : "& ", kind_of(protocol, m),
			       protocol == NETLINK_ROUTE ? name_of(m) : "");
		if (action != NOTHING)
			return send_wrongly(fd, block, size, m, false, action);
	}
	return syscall(SYS_sendto, fd, data, size, 0, NULL, 0);
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
	       socklen_t to_size)
{
	int protocol = protocol_of(fd);

	if (protocol >= 0 && control() && control()->is_on)
		return netlink_send(fd, protocol, data, size);
	return syscall(SYS_sendto, fd, data, size, flags, to, to_size);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
	return sendto(fd, data, size, flags, NULL, 0);
}

/* Replies to clients: what was done is not known to them before. */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	socklen_t size = sizeof(int);
	enum action action;
	int type = 0;

	/* What netd and its broker say to each other. */
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET)
		return syscall(SYS_sendmsg, fd, message, flags);
	action = point("reply");
	/* A client that has gone is no failure of the machine's. */
	if (action == REFUSE || action == LOSE)
		action = NOTHING;
	begins(action);
	return ends(action, syscall(SYS_sendmsg, fd, message, flags));
}

static size_t write_answer(char *buf, size_t size)
{
	struct { struct nlmsghdr head; struct nlmsgerr error; } m = {
		.head = { .nlmsg_len = sizeof(m), .nlmsg_type = NLMSG_ERROR, .nlmsg_flags = NLM_F_CAPPED,
			  .nlmsg_seq = answer.request.nlmsg_seq },
		.error = { .error = -answer.number, .msg = answer.request },
	};

	if (size < sizeof(m))
		return 0;
	memcpy(buf, &m, sizeof(m));
	return sizeof(m);
}

/* Reads what is there away. */
static void drain(int fd)
{
	static char buf[65536];

	while (syscall(SYS_recvfrom, fd, buf, sizeof(buf), MSG_DONTWAIT, NULL, NULL) >= 0)
		;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	struct nlmsghdr *first = message->msg_iov[0].iov_base;
	struct answer a = answer;
	ssize_t n;

	if (!a.fd || a.fd != fd || protocol_of(fd) < 0)
		return syscall(SYS_recvmsg, fd, message, flags);
	if (a.action == LOSE) {
		drain(fd);
		answer.fd = 0;
		errno = ENOBUFS;
		return -1;
	}
	if (a.action == REFUSE && a.is_last) {
		n = syscall(SYS_recvmsg, fd, message, flags | MSG_DONTWAIT);
		if (n >= 0)
			return n;
	}
	if (a.action == REFUSE) {
		n = (ssize_t)write_answer(message->msg_iov[0].iov_base, message->msg_iov[0].iov_len);
		if (message->msg_name)
			memset(message->msg_name, 0, message->msg_namelen);
		message->msg_flags = 0;
		answer.fd = 0;
		return n;
	}
	n = syscall(SYS_recvmsg, fd, message, flags);
	if (n >= (ssize_t)sizeof(*first))
		first->nlmsg_flags |= NLM_F_DUMP_INTR;
	answer.fd = 0;
	return n;
}

ssize_t recv(int fd, void *data, size_t size, int flags)
{
	struct iovec iov = { data, size };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	return recvmsg(fd, &message, flags);
}
