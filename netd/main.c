/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - options, start, signals
 *
 * The order of the start matters: privileges go before anything is read that
 * others wrote; what ran before is known (config.c) and the
 * kernel's state read before the first operation; the socket answers only when
 * the networks stand, so whoever is ordered after us finds them. At the end
 * everything stays as it is: networks, guests and dnsmasq outlive netd.
 */

#include "netd/api.h"
#include "netd/broker.h"
#include "netd/log.h"
#include "netd/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

static void usage(FILE *out)
{
	fputs("Usage: netd [OPTION]...\n"
	      "The virtual network daemon: networks and ports for virtual machines.\n\n"
	      "  --config-dir DIR   networks.d/*.yaml, access.yaml, netd.yaml (" VNET_SYSCONFDIR ")\n"
	      "  --run-dir DIR      netd.sock and what a reboot may forget (" VNET_RUNDIR ")\n"
	      "  --state-dir DIR    what must survive a reboot (" VNET_STATEDIR ")\n"
	      "  --user USER        whom to become when started as root (" NETD_USER ")\n"
	      "  --broker           be the broker of a netd that is not started as root\n"
	      "  --log-level LEVEL  error, warning, notice, info or debug (info)\n"
	      "  --version, --help\n\n"
	      "Runs in the foreground and logs to standard error; see netd(8).\n",
	      out);
}

struct options {
	const char *user;
	bool is_broker;
	int log_level;
};

static int parse_options(int argc, char **argv, struct netd *d, struct options *ret)
{
	static const struct option options[] = {
		{ "config-dir", required_argument, NULL, 'c' },
		{ "run-dir", required_argument, NULL, 'r' },
		{ "state-dir", required_argument, NULL, 's' },
		{ "user", required_argument, NULL, 'u' },
		{ "broker", no_argument, NULL, 'b' },
		{ "log-level", required_argument, NULL, 'l' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (c) {
		case 'c':
			d->config_dir = optarg;
			break;
		case 'r':
			d->run_dir = optarg;
			break;
		case 's':
			d->state_dir = optarg;
			break;
		case 'u':
			ret->user = optarg;
			break;
		case 'b':
			ret->is_broker = true;
			break;
		case 'l':
			if (log_level_parse(optarg, &ret->log_level) < 0) {
				fprintf(stderr, "netd: --log-level takes error, warning, notice, info or debug\n");
				return 2;
			}
			break;
		case 'V':
			puts("netd " VNET_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "netd: unexpected argument %s\n", argv[optind]);
		return 2;
	}
	return -1;
}

/* ---- signals ---- */

static void on_signal(void *arg, uint32_t events)
{
	struct netd *d = arg;
	struct signalfd_siginfo info;

	(void)events;
	if (read(d->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		notify_reloading();
		config_reload(d);
		notify_send("READY=1");
	} else {
		log_info("signal %u: ending; networks and guests stay as they are", info.ssi_signo);
		loop_quit(d->loop);
	}
}

static int watch_signals(struct netd *d, struct vnet_error *err)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	r = d->signal_fd < 0 ? -errno
			     : loop_add(d->loop, d->signal_fd, EPOLLIN, on_signal, d, &d->signal_source);
	return r < 0 ? vnet_error_set(err, r, "signals", "cannot watch signals: %s", strerror(-r)) : 0;
}

static void feed_watchdog(void *arg)
{
	struct netd *d = arg;

	notify_send("WATCHDOG=1");
	loop_timer_add(d->loop, d->watchdog_usec / 2, feed_watchdog, d, &d->watchdog_timer);
}

/* Without it there is no DHCP, no way into namespaces: a new netd gets a new one. */
static void on_broker_gone(void *arg, uint32_t events)
{
	struct netd *d = arg;

	(void)events;
	log_error("the broker is gone: ending, to be started again; networks and guests stay as they are");
	d->has_failed = true;
	loop_quit(d->loop);
}

/* ---- start ---- */

static int make_dir(const char *path, mode_t mode, struct vnet_error *err)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return vnet_error_set(err, -errno, "state-dir", "cannot make %s: %s", path,
				      strerror(errno));
	return 0;
}

/* Room for every queue of many ports in flight, and for CONNECTIONS_MAX clients. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/*
 * One netd per run folder. A record lock (fcntl(2)) dies with its process alone; the
 * listening socket, or a flock(2), would live on in a child that is about to exec.
 */
static int take_lock(struct netd *d, struct vnet_error *err)
{
	AUTO_FREE char *path = mem_printf("%s/netd.lock", d->run_dir);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (d->lock_fd < 0)
		return vnet_error_set(err, -errno, "state-dir", "cannot open %s: %s", path,
				      strerror(errno));
	if (fcntl(d->lock_fd, F_SETLK, &lock) == 0)
		return 0;
	fcntl(d->lock_fd, F_GETLK, &lock);
	return vnet_error_set(err, -EADDRINUSE, "already-running",
			      "another netd (process %d) runs with %s; stop it first", lock.l_pid,
			      d->run_dir);
}

static int open_socket(struct netd *d, int *ret_fd, struct vnet_error *err)
{
	AUTO_FREE char *path = mem_printf("%s/netd.sock", d->run_dir);

	*ret_fd = notify_listen_fd();
	return *ret_fd >= 0 ? 0 : server_listen(path, ret_fd, err);
}

/* A bad policy admits nobody but root; a bad settings file leaves the defaults. */
static void read_configuration(struct netd *d)
{
	struct vnet_error err = { 0 };
	char text[1024];

	if (config_read_settings(d, &err) < 0)
		log_error("%s; the defaults are used", vnet_error_text(&err, text, sizeof(text)));
	vnet_error_clear(&err);
	d->policy = access_policy_new();
	if (config_read_policy(d, &err) < 0)
		log_error("%s; until then only root may attach",
			  vnet_error_text(&err, text, sizeof(text)));
}

static int bring_up(struct netd *d, struct vnet_error *err)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	int r = kernel_snapshot(d->kernel, SNAPSHOT_ALL, &snap, err);
	bool is_seen = false;

	if (r == 0)
		r = netd_restore(d, &snap, &is_seen, err);
	if (r < 0)
		return r;
	/* A failure here is one network's, logged and tried again: the others are served. */
	if (is_seen)
		reconcile_seen(d, &snap);
	else
		reconcile(d, NULL, NULL);
	dnsmasq_stop_unclaimed(d->dnsmasq);
	return 0;
}

static void note_checksums(struct netd *d)
{
	const char *why;
	char *note;

	if (kernel_guards_checksums(d->kernel, &why))
		return;
	note = mem_printf("no checksum guard: %s. Guarded TAP and macvtap ports get descriptors without virtio header, which costs their guests the offloads; adopted devices and containers can change what rules have read",
			  why);
	log_warning("%s", note);
	vec_push(&d->notes, note);
}

static void gather_notes(struct netd *d)
{
	const char *note;

	note_checksums(d);

	for (size_t i = 0; (note = kernel_note(d->kernel, i)); i++)
		vec_push(&d->notes, mem_strdup(note));
	if (access("/dev/vhost-net", F_OK) < 0)
		vec_push(&d->notes, mem_strdup("there is no /dev/vhost-net (module vhost_net): guests get no vhost descriptors, and their network costs more CPU"));
}

/*
 * The last that is done as root, if this is root: from here on netd has CAP_NET_ADMIN
 * and a broker. Where systemd started it as its own user, it started a broker too.
 */
static int drop_privileges(struct netd *d, const char *user, struct vnet_error *err)
{
	AUTO_FREE char *path = mem_printf("%s/broker.sock", d->run_dir);
	int r = users_find(user, &d->users, err);

	if (r == 0 && geteuid() != 0) {
		r = broker_connect(path, err);
	} else if (r == 0) {
		if ((r = confine_take_over(d->run_dir, &d->users, err)) == 0 &&
		    (r = confine_take_over(d->state_dir, &d->users, err)) == 0)
			r = broker_fork(d->run_dir, &d->users, err);
	}
	return r < 0 ? r : confine(ROLE_NETD, &d->users, err);
}

static int start(struct netd *d, const char *user, struct vnet_error *err)
{
	int fd = -1, r;

	raise_descriptor_limit();
	umask(0022);
	r = make_dir(d->run_dir, 0755, err);
	if (r == 0)
		r = make_dir(d->state_dir, 0755, err);
	if (r == 0)
		r = drop_privileges(d, user, err);
	/* First of all: a second netd must stop here, before it touches anything. */
	if (r == 0)
		r = take_lock(d, err);
	if (r == 0)
		r = loop_new(&d->loop);
	if (r == 0)
		r = watch_signals(d, err);
	if (r == 0)
		r = loop_add(d->loop, broker_fd(), EPOLLRDHUP, on_broker_gone, d, &d->broker_source);
	if (r == 0)
		r = open_socket(d, &fd, err);
	if (r == 0)
		r = store_new(d->run_dir, d->state_dir, &d->store, err);
	if (r == 0)
		r = kernel_linux_new(&d->kernel, err);
	if (r == 0) {
		gather_notes(d);
		d->monitor = monitor_new(d);
		d->trace = trace_new();
		read_configuration(d);
		r = dhcp_init(d, err);
	}
	if (r == 0)
		r = events_start(d, err);
	if (r == 0)
		r = bring_up(d, err);
	if (r == 0)
		egress_start(d);
	if (r == 0)
		r = server_new(d->loop, fd, api_init(d), &d->server, err);
	else if (fd >= 0)
		close(fd);
	return r;
}

static void stop(struct netd *d)
{
	netd_forget(d);
	kernel_free(d->kernel);
	broker_close();
	if (d->signal_fd >= 0)
		close(d->signal_fd);
	if (d->lock_fd >= 0)
		close(d->lock_fd);
}

/* systemd listens for the one netd of this host; see configs/systemd/netd-broker.socket. */
static int run_broker(const struct netd *d, const char *user)
{
	struct vnet_error err = { 0 };
	struct users users;
	int fd = notify_listen_fd(), r = users_find(user, &users, &err);

	if (r < 0)
		log_error("broker: %s", err.message);
	else if (fd < 0)
		log_error("broker: systemd hands no socket over; a netd that is started as root needs no --broker");
	if (r < 0 || fd < 0)
		return 1;
	notify_send("READY=1");
	return broker_serve(notify_accept(fd), d->run_dir, &users);
}

int main(int argc, char **argv)
{
	struct netd d = {
		.config_dir = VNET_SYSCONFDIR, .run_dir = VNET_RUNDIR, .state_dir = VNET_STATEDIR,
		.signal_fd = -1, .lock_fd = -1, .started = loop_now(),
	};
	struct vnet_error err = { 0 };
	struct options options = { .user = NETD_USER, .log_level = LOG_INFO };
	int r = parse_options(argc, argv, &d, &options);
	char text[1024];

	if (r >= 0)
		return r;
	log_init(options.log_level);
	notify_close_others();
	if (options.is_broker)
		return run_broker(&d, options.user);
	r = start(&d, options.user, &err);
	if (r < 0) {
		vnet_error_set(&err, r, "start", "%s", strerror(-r));
		log_error("%s", vnet_error_text(&err, text, sizeof(text)));
		stop(&d);
		return 1;
	}
	d.watchdog_usec = notify_watchdog_usec();
	if (d.watchdog_usec)
		feed_watchdog(&d);
	notify_send("READY=1");
	log_info("netd " VNET_VERSION " is ready; networks: %zu, ports: %zu", d.registry.networks.n,
		 d.registry.ports.n);
	r = loop_run(d.loop);
	notify_send("STOPPING=1");
	stop(&d);
	return r < 0 || d.has_failed ? 1 : 0;
}
