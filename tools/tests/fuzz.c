// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer: one file of a capture is the input, the others are sound. $FUZZ is
 * its path. What dmabuf-stat makes of them must be printable, whatever is in it.
 */
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../dmabuf-stat.h"

struct options opt;

static const struct {
	const char *path, *text;
} capture[] = {
	{ "proc/dmabufs",
	  "# dmabufs 1\n"
	  "# ino size refs attached flags time pid comm exporter module name\n"
	  "5 4096 1 0 02 5000 7 app system - ring\\0401\n"
	  "6 8192 0 1 - 6000 8 gone vgem vgem -\n"
	  "# end 2 12288\n" },
	{ "sys/kernel/debug/dma_buf/bufinfo",
	  "\nDma-buf Objects:\n"
	  "size    \tflags   \tmode    \tcount   \texp_name\tino     \tname\n"
	  "00004096\t00000002\t00080007\t00000001\tsystem\t00000005\t<none>\n"
	  "\tAttached Devices:\n\tvkms\nTotal 1 devices attached\n\n"
	  "\nTotal 1 objects, 4096 bytes\n" },
	{ "sys/kernel/dmabuf/buffers/5/size", "4096\n" },
	{ "sys/kernel/dmabuf/buffers/5/exporter_name", "system\n" },
	{ "sys/kernel/dmabuf/stats/bytes", "12288\n" },
	{ "proc/meminfo", "MemTotal:  16000000 kB\nShmem:  4711 kB\n" },
	{ "proc/uptime", "1000.00 1.00\n" },
	{ "proc/sys/kernel/random/boot_id", "b00t\n" },
	{ "proc/7/comm", "app\n" },
	{ "proc/7/stat", "7 (app) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 100 0\n" },
	{ "proc/7/limits", "Max open files   1024   4096   files\n" },
	{ "proc/7/maps",
	  "7f00-7f01 rw-s 00000000 00:0b 5       /dmabuf:ring (deleted)\n" },
	{ "proc/7/fdinfo/3",
	  "pos:\t0\nflags:\t02\nmnt_id:\t15\nino:\t5\nsize:\t4096\ncount:\t1\n"
	  "exp_name:\tsystem\nname:\tcamera 1\n" },
	{ "proc/7/fdinfo/4", "pos:\t0\nflags:\t012000000\nmnt_id:\t15\nino:\t6\n" },
};

/* Of the sources, the best is 0; SOURCES is a file that is none of them */
#define SOURCES 5
static size_t rank(const char *path)
{
	static const char * const sources[SOURCES] = {
		"proc/dmabufs", "dmabuf-iter", "sys/kernel/debug/",
		"sys/kernel/dmabuf/buffers/", "proc/7/fdinfo/",
	};
	size_t i = 0;

	while (i < SOURCES && strncmp(path, sources[i], strlen(sources[i])))
		i++;
	return i;
}

static void put(const char *path, const void *data, size_t size)
{
	char dir[128];
	const char *p;
	int fd;

	for (p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		snprintf(dir, sizeof(dir), "%.*s", (int)(p - path), path);
		mkdirat(root_fd, dir, 0755);
	}
	fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		err(1, "%s", path);
	close(fd);
}

static const char *input(void)
{
	static const char *path;
	char dir[4096];
	size_t i;

	if (path)
		return path;
	path = getenv("FUZZ");
	if (!path)
		errx(2, "FUZZ: name the file of the capture that is to vary");
	root_live = false;
	snprintf(dir, sizeof(dir), "%s/capture.XXXXXX",
		 getenv("TMPDIR") ?: "/tmp");
	root_fd = mkdtemp(dir) ? open(dir, O_PATH | O_DIRECTORY) : -1;
	if (root_fd < 0)
		err(1, "%s", dir);
	for (i = 0; i < sizeof(capture) / sizeof(*capture); i++)
		/* with a better source, the input would not be read */
		if (rank(capture[i].path) >= rank(path) % SOURCES)
			put(capture[i].path, capture[i].text,
			    strlen(capture[i].text));
	mkdirat(root_fd, "proc/7/fd", 0755);
	if (symlinkat("/dmabuf:ring", root_fd, "proc/7/fd/3") ||
	    symlinkat("/dmabuf:", root_fd, "proc/7/fd/4"))
		err(1, "symlink");
	return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct snap s;
	size_t len, i;
	char *text;

	put(input(), data, size);
	out = open_memstream(&text, &len);
	if (!out)
		err(1, "open_memstream");
	s.detail_ino = 5;
	opt.json = true;
	snap_take(&s, WANT_HOLDERS | WANT_DEVICES);
	cmd_summary(&s);
	opt.name_pattern = true;
	cmd_groups(&s, "exporters", "comm,pid,name");
	if (snap_find(&s, 5))
		cmd_buffer(&s, 5);
	opt.json = false;
	cmd_buffers(&s);
	fclose(out);
	for (i = 0; i < len; i++)
		if (text[i] != '\n' && (text[i] < ' ' || text[i] > '~'))
			abort();
	free(text);
	snap_clear(&s);
	return 0;
}
