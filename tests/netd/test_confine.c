/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_confine.c - what each role's filter refuses, and what the broker does not do
 *
 * As somebody who has taken netd over would try it: system calls that netd does not
 * make, and requests that it would not send.
 */

#include "netd/broker.h"
#include "netd/broker_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static const struct users users = { .name = "root", .uid = 0, .gid = 0, .dnsmasq_uid = 65534, .dnsmasq_gid = 65534 };

#define NEED_ROOT() do { if (geteuid() != 0) skip(); } while (0)

/* ---- filters ---- */

/* The number of the step that was not refused as it should be; 0: all were. */
static int in_child(enum role role, int (*steps)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct vnet_error err = { 0 };

		if (filter_load(role, &users, &err) < 0)
			_exit(100);
		_exit(steps());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define REFUSED(number, call) do { \
	errno = 0; \
	if ((long)(call) != -1 || errno != EPERM) \
		return number; \
} while (0)

static int what_nobody_may(void)
{
	REFUSED(1, syscall(SYS_mount, "none", "/", NULL, MS_REMOUNT, NULL));
	REFUSED(2, syscall(SYS_init_module, NULL, 0, ""));
	REFUSED(3, syscall(SYS_bpf, 0, NULL, 0));
	REFUSED(4, syscall(SYS_unshare, CLONE_NEWUSER));
	REFUSED(5, syscall(SYS_process_vm_writev, getpid(), NULL, 0, NULL, 0, 0));
	REFUSED(6, syscall(SYS_keyctl, 0, 0, 0, 0, 0));
	REFUSED(7, syscall(SYS_kexec_load, 0, 0, NULL, 0));
	REFUSED(8, syscall(SYS_io_uring_setup, 1, NULL));
	REFUSED(9, syscall(SYS_userfaultfd, 0));
	REFUSED(10, syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
	REFUSED(11, syscall(SYS_setns, 0, CLONE_NEWNS));
	REFUSED(12, syscall(SYS_setresuid, 0, 0, 0));
	REFUSED(13, syscall(SYS_chroot, "/"));
	REFUSED(14, socket(AF_VSOCK, SOCK_STREAM, 0));
	REFUSED(15, socket(AF_PACKET, SOCK_RAW, 0));
	return 0;
}

static int what_netd_may_not(void)
{
	static char *const none[] = { NULL };

	REFUSED(20, socket(AF_INET, SOCK_DGRAM, 0));
	REFUSED(21, execve("/bin/true", none, none));
	REFUSED(22, syscall(SYS_setns, 0, CLONE_NEWNET));
	REFUSED(23, syscall(SYS_mknodat, AT_FDCWD, "/tmp/x", S_IFCHR | 0600, 0));
	REFUSED(24, syscall(SYS_pidfd_send_signal, 0, 0, NULL, 0));
	REFUSED(25, ioctl(0, TIOCSTI, "x"));
	REFUSED(26, syscall(SYS_prlimit64, getppid(), 0, NULL, NULL));
#if !defined(__SANITIZE_ADDRESS__)
	REFUSED(27, syscall(SYS_ptrace, PTRACE_ATTACH, getppid(), NULL, NULL));
	REFUSED(28, syscall(SYS_fork));
	REFUSED(29, syscall(SYS_kill, getppid(), 0));
	REFUSED(30, mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
#endif
	return what_nobody_may();
}

static void netd_makes_no_other_calls(void **state)
{
	(void)state;
	assert_int_equal(in_child(ROLE_NETD, what_netd_may_not), 0);
}

static void neither_does_the_broker(void **state)
{
	(void)state;
	assert_int_equal(in_child(ROLE_BROKER, what_nobody_may), 0);
}

static void nor_dnsmasq(void **state)
{
	(void)state;
	assert_int_equal(in_child(ROLE_DNSMASQ, what_nobody_may), 0);
}

/* What the filter lets through still works. */
static int what_netd_does(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	char *memory = mem_alloc(4 * 1024 * 1024);
	struct stat st;

	free(memory);
	return fd < 0 || stat("/", &st) < 0 || open("/proc/self/status", O_RDONLY) < 0;
}

static void netd_makes_its_own(void **state)
{
	(void)state;
	assert_int_equal(in_child(ROLE_NETD, what_netd_does), 0);
}

/* ---- the broker ---- */

struct world {
	char dir[64];
	int fd;
};

static int set_up(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));
	struct vnet_error err = { 0 };

	strcpy(w->dir, "/tmp/vnet-confine-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->fd = -1;
	if (geteuid() == 0) {
		if (broker_fork(w->dir, &users, &err) < 0)
			fail_msg("%s", err.message);
		w->fd = broker_fd();
	}
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	broker_close();
	while (waitpid(-1, NULL, 0) > 0)
		;
	rmdir(w->dir);
	free(w);
	return 0;
}

/* Sends what no netd sends; the result. */
static int raw(struct world *w, const struct broker_request *request, const int *fds, size_t n_fds)
{
	struct broker_reply reply;
	int in[BROKER_FDS_MAX];
	size_t n_in;

	assert_int_equal(broker_send(w->fd, request, sizeof(*request), fds, n_fds), 0);
	assert_true(broker_receive(w->fd, &reply, sizeof(reply), in, &n_in) > 0);
	for (size_t i = 0; i < n_in; i++)
		close(in[i]);
	return reply.result;
}

static void texts_end(void **state)
{
	struct world *w = *state;
	struct broker_request request = { .call = BROKER_ENTER };

	NEED_ROOT();
	memset(request.path, 'x', sizeof(request.path));
	assert_int_equal(raw(w, &request, NULL, 0), -EINVAL);
	request = (struct broker_request){ .call = BROKER_MACVTAP, .n = 1 };
	memset(request.name, 'x', sizeof(request.name));
	assert_int_equal(raw(w, &request, NULL, 0), -EINVAL);
	request = (struct broker_request){ .call = BROKER_N_CALLS };
	assert_int_equal(raw(w, &request, NULL, 0), -EINVAL);
	request = (struct broker_request){ .call = BROKER_OWNERS, .n = SOCKET_OWNERS_MAX + 1 };
	assert_int_equal(raw(w, &request, NULL, 0), -EINVAL);
	request = (struct broker_request){ .call = BROKER_RELEASE, .n = RELEASE_SIZE_MAX + 1, .address.family = AF_INET };
	assert_int_equal(raw(w, &request, NULL, 0), -EINVAL);
	request = (struct broker_request){ .call = BROKER_MACVTAP, .n = PORT_QUEUES_MAX + 1, .name = "lo" };
	assert_int_equal(raw(w, &request, NULL, 0), -EINVAL);
	request = (struct broker_request){ .call = BROKER_LEGACY, .number = AF_PACKET };
	assert_int_equal(raw(w, &request, NULL, 0), -EINVAL);
}

static void runs_only_dnsmasq_with_netds_files(void **state)
{
	static const char *const paths[] = { "/etc", "%s", "%s/dnsmasq/", "%s/dnsmasq/../x", "%s/dnsmasq/a/b", "%s/dnsmasq/.." };
	struct world *w = *state;

	NEED_ROOT();
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct broker_request request = { .call = BROKER_RUN };
		AUTO_FREE char *path = i ? mem_printf("%s%s", w->dir, paths[i] + 2) : mem_strdup(paths[i]);

		strcpy(request.path, path);
		assert_int_equal(raw(w, &request, (int[]){ 2 }, 1), -EINVAL);
	}
}

static void signals_only_dnsmasq(void **state)
{
	struct world *w = *state;
	int own;

	NEED_ROOT();
	own = (int)syscall(SYS_pidfd_open, getpid(), 0);
	assert_true(own >= 0);
	assert_int_equal(broker_signal(own, SIGTERM), -EPERM);
	assert_int_equal(broker_signal(own, SIGSTOP), -EINVAL);
	close(own);
	/* What is no process at all. */
	assert_int_equal(raw(w, &(struct broker_request){ .call = BROKER_SIGNAL, .number = SIGTERM }, (int[]){ 2 }, 1), -ESRCH);
	assert_int_equal(raw(w, &(struct broker_request){ .call = BROKER_SIGNAL, .number = SIGTERM }, NULL, 0), -EINVAL);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void reads_only_policies(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *path = mem_printf("%s/file", w->dir);
	int fd = -1;

	NEED_ROOT();
	write_file(path, "# for kvm\n allow\tbr0\r\n\ninclude /etc/x\ndeny all", 0640);
	assert_int_equal(broker_open_policy(path, &fd), 0);
	close(fd);
	write_file(path, "allow br0\nroot:*:19000::::::\n", 0640);
	assert_int_equal(broker_open_policy(path, &fd), -EACCES);
	write_file(path, "allow br0\n", 0666);
	assert_int_equal(broker_open_policy(path, &fd), -EACCES);
	write_file(path, "allow br0\n", 0640);
	assert_int_equal(chown(path, 1, 1), 0);
	assert_int_equal(broker_open_policy(path, &fd), -EACCES);
	unlink(path);
	assert_int_equal(broker_open_policy(path, &fd), -ENOENT);
	assert_int_equal(broker_open_policy("/etc/shadow", &fd), -EACCES);
	assert_int_equal(broker_open_policy(w->dir, &fd), -EACCES);
}

static void enters_only_network_namespaces(void **state)
{
	static const char *const paths[] = { "/", "/etc/shadow", "/proc/self/ns/mnt", "/dev/null" };
	struct vnet_error err = { 0 };
	int netns, socket;

	(void)state;
	NEED_ROOT();
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		assert_int_equal(privileged_get()->enter(paths[i], &netns, &socket, NULL), -EINVAL);
	assert_int_equal(privileged_get()->enter("/none", &netns, &socket, &err), -ENOENT);
	assert_string_equal(err.code, "no-namespace");
	assert_int_equal(privileged_get()->enter("/proc/self/ns/net", &netns, &socket, NULL), 0);
	close(netns);
	close(socket);
}

static void tells_of_processes(void **state)
{
	uint64_t started = 0;
	uint32_t uid = 1;

	(void)state;
	NEED_ROOT();
	assert_int_equal(broker_look(getpid(), &uid, &started), 0);
	assert_int_equal(uid, getuid());
	assert_true(started > 0);
	assert_int_equal(broker_look(0, &uid, &started), -ESRCH);
}

static void is_missed_when_it_is_gone(void **state)
{
	struct world *w = *state;
	uint64_t started;
	uint32_t uid;
	int sysfs = -1;

	NEED_ROOT();
	shutdown(w->fd, SHUT_WR);
	assert_true(broker_look(getpid(), &uid, &started) < 0);
	assert_true(privileged_get()->sysfs(&sysfs, NULL) < 0);
	assert_int_equal(sysfs, -1);
}

/* ---- taking over ---- */

static uid_t owner_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_uid;
}

static void takes_over_what_root_left(void **state)
{
	static const struct users other = { .name = "x", .uid = 4711, .gid = 4711 };
	struct world *w = *state;
	AUTO_FREE char *file = mem_printf("%s/sub/file", w->dir), *link = mem_printf("%s/sub/link", w->dir);
	AUTO_FREE char *sub = mem_printf("%s/sub", w->dir), *twin = mem_printf("%s/sub/twin", w->dir);
	AUTO_FREE char *outside = mem_printf("%s.outside", w->dir);

	NEED_ROOT();
	assert_int_equal(mkdir(sub, 0755), 0);
	write_file(file, "x", 0600);
	write_file(outside, "x", 0600);
	assert_int_equal(symlink(outside, link), 0);
	/* Of a file with two names the other one may be anybody's. */
	assert_int_equal(linkat(AT_FDCWD, outside, AT_FDCWD, twin, 0), 0);
	assert_int_equal(confine_take_over(w->dir, &other, NULL), 0);
	assert_int_equal(owner_of(w->dir), 4711);
	assert_int_equal(owner_of(sub), 4711);
	assert_int_equal(owner_of(file), 4711);
	assert_int_equal(owner_of(outside), 0);
	unlink(file);
	unlink(link);
	unlink(twin);
	unlink(outside);
	rmdir(sub);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(netd_makes_no_other_calls),
		cmocka_unit_test(neither_does_the_broker),
		cmocka_unit_test(nor_dnsmasq),
		cmocka_unit_test(netd_makes_its_own),
		TEST(texts_end),
		TEST(runs_only_dnsmasq_with_netds_files),
		TEST(signals_only_dnsmasq),
		TEST(reads_only_policies),
		TEST(enters_only_network_namespaces),
		TEST(tells_of_processes),
		TEST(is_missed_when_it_is_gone),
		TEST(takes_over_what_root_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
