// SPDX-License-Identifier: GPL-2.0
/* Files that are read and written as text. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "kselftest.h"
#include "common.h"

/* Appends up to CHUNK bytes; returns what read() does */
ssize_t text_append(int fd, size_t chunk, struct text *text)
{
	char *s = realloc(text->s, text->len + chunk + 1);
	ssize_t got;

	if (!s)
		return -1;
	text->s = s;
	got = read(fd, s + text->len, chunk);
	if (got > 0)
		text->len += got;
	s[text->len] = '\0';
	return got;
}

/* Appends all from the current position to the end, CHUNK bytes at a time */
bool text_rest(int fd, size_t chunk, struct text *text)
{
	ssize_t got;

	do
		got = text_append(fd, chunk, text);
	while (got > 0);
	if (got < 0)
		text_free(text);
	return !got;
}

bool text_read(int fd, size_t chunk, struct text *text)
{
	memset(text, 0, sizeof(*text));
	return text_rest(fd, chunk, text);
}

bool text_read_path(const char *path, struct text *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0) {
		ksft_print_msg("%s: %s\n", path, strerror(errno));
		return false;
	}
	ok = text_read(fd, 65536, text);
	close(fd);
	return ok;
}

void text_free(struct text *text)
{
	free(text->s);
	text->s = NULL;
	text->len = 0;
}

/* Returns what write() does */
ssize_t file_write(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err;
	ssize_t ret;

	if (fd < 0)
		return -1;
	ret = write(fd, text, len);
	err = errno;
	close(fd);
	errno = err;
	return ret;
}

bool text_put(const char *path, const char *text)
{
	return file_write(path, text, strlen(text)) == (ssize_t)strlen(text);
}

bool mount_debugfs(void)
{
	if (access(DEBUG_DIR "dma_buf", F_OK))
		mount("none", DEBUG_DIR, "debugfs", 0, NULL);
	return !access(DEBUG_DIR "dma_buf", F_OK);
}

bool fdinfo_read(int fd, struct text *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return text_read_path(path, text);
}

/* A descriptor that pins the buffer but does not keep its file open */
int open_path_only(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_PATH | O_CLOEXEC);
}
