// SPDX-License-Identifier: GPL-2.0
/* Probes and trace events of the kernel. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common.h"

bool mount_tracefs(void)
{
	if (access(TRACE_DIR "kprobe_events", F_OK))
		mount("none", TRACE_DIR, "tracefs", 0, NULL);
	return !access(TRACE_DIR "kprobe_events", F_OK);
}

bool trace_put(const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), TRACE_DIR "%s", file);
	return text_put(path, text);
}

/* Opening it for truncation empties the buffer */
void trace_clear(const char *instance)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), TRACE_DIR "%strace", instance);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
}
