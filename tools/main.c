// SPDX-License-Identifier: GPL-2.0
/* dmabuf-stat: whose dma-bufs these are, and what holds them */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "dmabuf-stat.h"

#define VERSION "1"

struct options opt;

enum {
	O_SOURCE = 256, O_ROOT, O_TWICE, O_PROMETHEUS, O_SORT, O_NO_HEADER,
	O_BYTES, O_BY, O_NAME_PATTERN, O_FOR, O_BASELINE, O_SAVE, O_MAX_BYTES,
	O_MAX_BUFFERS, O_MAX_GROWTH, O_OUTPUT,
};

static const struct option longopts[] = {
	{ "source", required_argument, NULL, O_SOURCE },
	{ "root", required_argument, NULL, O_ROOT },
	{ "twice", no_argument, NULL, O_TWICE },
	{ "json", no_argument, NULL, 'j' },
	{ "prometheus", no_argument, NULL, O_PROMETHEUS },
	{ "columns", required_argument, NULL, 'o' },
	{ "sort", required_argument, NULL, O_SORT },
	{ "reverse", no_argument, NULL, 'r' },
	{ "rows", required_argument, NULL, 'n' },
	{ "no-header", no_argument, NULL, O_NO_HEADER },
	{ "bytes", no_argument, NULL, O_BYTES },
	{ "filter", required_argument, NULL, 'f' },
	{ "by", required_argument, NULL, O_BY },
	{ "name-pattern", no_argument, NULL, O_NAME_PATTERN },
	{ "for", required_argument, NULL, O_FOR },
	{ "baseline", required_argument, NULL, O_BASELINE },
	{ "save-baseline", required_argument, NULL, O_SAVE },
	{ "max-bytes", required_argument, NULL, O_MAX_BYTES },
	{ "max-buffers", required_argument, NULL, O_MAX_BUFFERS },
	{ "max-growth", required_argument, NULL, O_MAX_GROWTH },
	{ "output", required_argument, NULL, O_OUTPUT },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ }
};

static const char help[] =
"usage: dmabuf-stat [COMMAND] [OPTION]...\n"
"\n"
"commands:\n"
"  summary          one screen (if no command is given)\n"
"  buffers          a line for each buffer\n"
"  exporters        sums by exporter and module; --by KEYS for other groups\n"
"  processes        --by holder (if not given) or --by allocator\n"
"  buffer INO       all about one: holders, descriptors, addresses, devices\n"
"  leaks            what looks like a leak; silent if nothing does\n"
"  check            compare with --max-bytes, --max-buffers, --max-growth\n"
"\n"
"options:\n"
"  -j, --json               JSON, bytes as integers, unknown as null\n"
"      --prometheus         text format 0.0.4\n"
"  -o, --columns A,B        columns to show\n"
"      --sort COLUMN, -r    order; -r reverses it\n"
"  -n, --rows N             at most N rows\n"
"      --no-header, --bytes for scripts\n"
"  -f, --filter COL=VALUE   rows where COL is VALUE, or matches ~REGEX\n"
"      --by KEYS            of exporter,module,name,comm,pid\n"
"      --name-pattern       names that differ in numbers are one\n"
"      --for TIME           leaks: watch for that long, such as 60s\n"
"      --save-baseline FILE, --baseline FILE\n"
"                           leaks: what has been exported since and remains\n"
"      --source NAME        list, bufinfo, sysfs or fdinfo\n"
"      --twice              read bufinfo twice, for the kernel-only class\n"
"      --root DIR           a captured /proc and /sys\n"
"      --output FILE        replace FILE when all is written\n"
"\n"
"exit: 0; 1 error; 2 usage; 3 incomplete; 4 suspects; 5 above a limit\n"
"\n"
"examples:\n"
"  dmabuf-stat processes --sort uss -n 5\n"
"  dmabuf-stat exporters --by comm,name --name-pattern\n"
"  dmabuf-stat buffers -f exporter=system -o ino,size,name\n"
"  dmabuf-stat leaks --for 60s\n"
"  dmabuf-stat check --max-bytes 2G || echo too much\n";

__attribute__((noreturn, format(printf, 1, 2)))
static void usage(const char *fmt, ...)
{
	va_list ap;

	fputs("dmabuf-stat: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("; see dmabuf-stat --help\n", stderr);
	exit(EXIT_USAGE);
}

static uint64_t number(const char *arg, const char *what)
{
	uint64_t val;

	if (!parse_size(arg, &val))
		usage("%s: \"%s\" is not a number", what, arg);
	return val;
}

/* 60, 60s, 500ms, 5m */
static uint64_t duration(const char *arg)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {
		{ "", 1000 }, { "s", 1000 }, { "ms", 1 }, { "m", 60000 },
		{ "h", 3600000 },
	};
	size_t n = strspn(arg, "0123456789"), i;
	unsigned long long val = strtoull(arg, NULL, 10);

	for (i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (n && n < 10 && val && !strcmp(arg + n, units[i].unit))
			return val * units[i].ms;
	usage("\"%s\" is not a time such as 60s", arg);
}

static void options(int argc, char **argv)
{
	char *slash;
	int c, i;

	while ((c = getopt_long(argc, argv, "jo:rn:f:vhV", longopts,
				NULL)) >= 0) {
		switch (c) {
		case O_SOURCE:
			for (i = SRC_LIST; i <= SRC_FDINFO; i++)
				if (!strcmp(optarg, source_name(i)))
					opt.source = i;
			if (!opt.source)
				usage("there is no source \"%s\"", optarg);
			break;
		case O_ROOT:
			opt.root = optarg;
			break;
		case O_TWICE:
			opt.twice = true;
			break;
		case 'j':
			opt.json = true;
			break;
		case O_PROMETHEUS:
			opt.prometheus = true;
			break;
		case 'o':
			opt.columns = optarg;
			break;
		case O_SORT:
			opt.sort = optarg;
			break;
		case 'r':
			opt.reverse = true;
			break;
		case 'n':
			opt.rows = number(optarg, "-n");
			break;
		case O_NO_HEADER:
			opt.no_header = true;
			break;
		case O_BYTES:
			opt.bytes = true;
			break;
		case 'f':
			opt.filter = xrealloc(opt.filter, opt.nfilter + 1,
					      sizeof(*opt.filter));
			opt.filter[opt.nfilter++] = optarg;
			break;
		case O_BY:
			opt.by = optarg;
			break;
		case O_NAME_PATTERN:
			opt.name_pattern = true;
			break;
		case O_FOR:
			opt.for_ms = duration(optarg);
			break;
		case O_BASELINE:
			opt.baseline = optarg;
			break;
		case O_SAVE:
			opt.save = optarg;
			break;
		case O_MAX_BYTES:
			opt.max_bytes = number(optarg, "--max-bytes");
			opt.has_max_bytes = true;
			break;
		case O_MAX_BUFFERS:
			opt.max_buffers = number(optarg, "--max-buffers");
			opt.has_max_buffers = true;
			break;
		case O_MAX_GROWTH:
			slash = strchr(optarg, '/');
			if (slash && !strcmp(slash, "/s"))
				*slash = 0;
			opt.max_growth = number(optarg, "--max-growth");
			opt.has_max_growth = true;
			break;
		case O_OUTPUT:
			opt.output = optarg;
			break;
		case 'v':
			opt.verbose = true;
			break;
		case 'h':
			fputs(help, stdout);
			exit(EXIT_OK);
		case 'V':
			puts("dmabuf-stat " VERSION " (without BPF iterator)");
			exit(EXIT_OK);
		default:
			usage("option not understood");
		}
	}
}

static int run(struct snap *s, const char *command, const char *arg)
{
	uint64_t ino;

	if (!strcmp(command, "summary")) {
		if (opt.columns || opt.sort || opt.nfilter)
			usage("-o, --sort and -f need a command, such as processes");
		if (opt.prometheus) {
			snap_take(s, 0);
			prometheus(s);
			return EXIT_OK;
		}
		snap_take(s, WANT_HOLDERS);
		return cmd_summary(s);
	}
	if (opt.prometheus)
		usage("--prometheus is for the summary only");
	if (!strcmp(command, "buffers")) {
		snap_take(s, WANT_HOLDERS);
		return cmd_buffers(s);
	}
	if (!strcmp(command, "exporters")) {
		snap_take(s, 0);
		return cmd_groups(s, command, opt.by ?: "exporter,module");
	}
	if (!strcmp(command, "processes")) {
		opt.by_allocator = opt.by && !strcmp(opt.by, "allocator");
		if (opt.by && !opt.by_allocator && strcmp(opt.by, "holder"))
			usage("processes go by holder or allocator");
		snap_take(s, opt.by_allocator ? 0 : WANT_HOLDERS);
		return cmd_processes(s);
	}
	if (!strcmp(command, "buffer")) {
		if (!arg || !parse_u64(arg, 10, &ino))
			usage("buffer needs an inode number");
		s->detail_ino = ino;
		snap_take(s, WANT_HOLDERS | WANT_DEVICES);
		return cmd_buffer(s, ino);
	}
	if (!strcmp(command, "leaks"))
		return cmd_leaks(s);
	if (!strcmp(command, "check")) {
		if (!opt.has_max_bytes && !opt.has_max_buffers &&
		    !opt.has_max_growth)
			usage("check needs a limit");
		return cmd_check(s);
	}
	usage("there is no command \"%s\"", command);
}

int main(int argc, char **argv)
{
	static struct snap s;
	const char *command;
	int status;
	size_t i;

	signal(SIGPIPE, SIG_IGN);
	options(argc, argv);
	command = optind < argc ? argv[optind++] : "summary";
	if (optind < argc - !strcmp(command, "buffer"))
		usage("\"%s\" is one argument too many", argv[argc - 1]);

	root_live = !opt.root;
	root_fd = open(opt.root ?: "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		die("%s: %s", opt.root, strerror(errno));
	out_open(opt.output);
	status = run(&s, command, argv[optind]);
	status = out_close(status);

	if (opt.verbose)
		fprintf(stderr, "dmabuf-stat: source: %s\n",
			source_name(s.source) ?: "stats");
	/* the summary and JSON hold what a source lacks; leaks is silent */
	if (s.incomplete || opt.verbose ||
	    (!opt.json && (!strcmp(command, "buffers") ||
			   !strcmp(command, "exporters") ||
			   !strcmp(command, "processes"))))
		for (i = 0; i < s.nnotes; i++)
			fprintf(stderr, "dmabuf-stat: %s\n", s.notes[i]);
	if (!status && s.incomplete)
		status = EXIT_PARTIAL;
	snap_clear(&s);
	return status;
}
