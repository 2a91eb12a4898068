// SPDX-License-Identifier: GPL-2.0
/* The process of a test: its start and limits, capabilities, children. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>

#include "kselftest.h"
#include "common.h"

/*
 * Without the statistics there is nothing to test. If only a part of them is
 * missing, they are broken, and the tests say so.
 */
static const char *missing(void)
{
	if (getenv("DMABUF_STATS_COUNT_ONLY"))
		return NULL;
	if (access(STATS_DIR, F_OK) && access(LIST_PROC, F_OK))
		return "this kernel has no dma-buf statistics";
	if (geteuid())
		return "these tests need root";
	if (any_exporter() == NR_EXPORTERS)
		return "no exporter: system heap, udmabuf or vgem";
	return NULL;
}

/* main() is the harness's */
static void __attribute__((constructor)) process_begin(void)
{
	struct rlimit limit = { 65536, 65536 };
	const char *why = missing();

	/* Older harnesses end a test without flushing its output */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (why) {
		ksft_print_header();
		ksft_exit_skip("%s\n", why);
	}
	devices_reopen();
	if (setrlimit(RLIMIT_NOFILE, &limit))
		ksft_print_msg("RLIMIT_NOFILE: %s\n", strerror(errno));
	mount_debugfs();
}

static unsigned int number_of(const char *variable, unsigned int usual)
{
	const char *value = getenv(variable);

	return value ? strtoul(value, NULL, 10) : usual;
}

unsigned int inputs(unsigned int usual)
{
	return number_of("DMABUF_STATS_INPUTS", usual);
}

/* The same input each time unless DMABUF_STATS_SEED is set */
unsigned int seed(void)
{
	return number_of("DMABUF_STATS_SEED", 1);
}

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Sets exactly these capabilities; exec cannot give back any others */
bool set_caps(unsigned long long caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = {
		{ .effective = caps, .permitted = caps },
		{ .effective = caps >> 32, .permitted = caps >> 32 },
	};

	return !syscall(SYS_capset, &header, data);
}

/* Returns what FN returns in a child, or -1 if it does not return */
int run_child(int (*fn)(void *arg), void *arg)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(fn(arg));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

struct message {
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov;
	struct msghdr msg;
};

static struct cmsghdr *message_init(struct message *m)
{
	memset(m, 0, sizeof(*m));
	m->iov.iov_base = &m->byte;
	m->iov.iov_len = 1;
	m->msg.msg_iov = &m->iov;
	m->msg.msg_iovlen = 1;
	m->msg.msg_control = m->control;
	m->msg.msg_controllen = sizeof(m->control);
	return CMSG_FIRSTHDR(&m->msg);
}

int send_fd(int sock, int fd)
{
	struct message m;
	struct cmsghdr *cmsg = message_init(&m);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(sock, &m.msg, 0) == 1 ? 0 : -1;
}

int receive_fd(int sock)
{
	struct cmsghdr *cmsg;
	struct message m;
	int fd;

	message_init(&m);
	if (recvmsg(sock, &m.msg, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	cmsg = CMSG_FIRSTHDR(&m.msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
	return fd;
}
