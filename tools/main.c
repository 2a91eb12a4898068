// SPDX-License-Identifier: GPL-2.0
/* dmabuf-stat: whose dma-bufs these are, and what holds them */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "dmabuf-stat.h"

#define VERSION "1"

#ifdef HAVE_BPF
#define WITH_BPF "with"
#else
#define WITH_BPF "without"
#endif

#ifdef HAVE_NCURSES
#define WITH_TOP "with"
#else
#define WITH_TOP "without"
#endif

struct options opt;

enum {
	O_SOURCE = 256, O_ROOT, O_TWICE, O_PROMETHEUS, O_SORT, O_NO_HEADER,
	O_BYTES, O_BY, O_NAME_PATTERN, O_FOR, O_BASELINE, O_SAVE, O_MAX_BYTES,
	O_MAX_BUFFERS, O_MAX_GROWTH, O_OUTPUT, O_FROM, O_OPENMETRICS, O_COUNT,
	O_RESET_PEAK,
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
	{ "from", required_argument, NULL, O_FROM },
	{ "openmetrics", no_argument, NULL, O_OPENMETRICS },
	{ "interval", required_argument, NULL, 'd' },
	{ "count", required_argument, NULL, O_COUNT },
	{ "reset-peak", no_argument, NULL, O_RESET_PEAK },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ }
};

static const char help[] =
"usage: dmabuf-stat [COMMAND] [OPTION]...\n"
"\n"
"Dma-bufs are memory that drivers and programs share, such as camera frames and\n"
"windows. Shows how much there is, what holds it, and what looks like a leak.\n"
"Root sees all; others see the processes of their own.\n"
"\n"
"commands:\n"
"  summary          one screen (if no command is given)\n"
"  buffers          a line for each buffer\n"
"  exporters        sums by exporter and module; --by KEYS for other groups\n"
"  processes        --by holder (if not given) or --by allocator\n"
"  buffer INO       all about one: holders, descriptors, addresses, devices\n"
"  leaks            what looks like a leak; silent if nothing does\n"
"  check            compare with --max-bytes, --max-buffers, --max-growth\n"
"  top              a live view\n"
"  record FILE      write a capture, for --from\n"
"  diff A B         two captures, by the keys of --by\n"
"  report FILE...   an HTML page about captures, over their time\n"
"\n"
"options:\n"
"  -j, --json               JSON, bytes as integers, unknown as null\n"
"      --prometheus         text format 0.0.4; --openmetrics its successor\n"
"  -o, --columns A,B        columns to show\n"
"      --sort COLUMN        order by it; -r, --reverse the other way\n"
"  -n, --rows N             at most N rows\n"
"      --no-header, --bytes for scripts\n"
"  -f, --filter COL=VALUE   rows where COL is VALUE, or matches ~REGEX\n"
"      --by KEYS            of exporter,module,name,comm,pid,cgroup,user; for\n"
"                           processes also holder and allocator\n"
"      --name-pattern       names that differ in numbers are one\n"
"      --for TIME           leaks: watch for that long, such as 60s\n"
"      --save-baseline FILE, --baseline FILE\n"
"                           leaks: what has been exported since and remains\n"
"      --source NAME        list, bpf, bufinfo, sysfs or fdinfo\n"
"      --twice              read bufinfo twice, for the kernel-only class\n"
"      --root DIR           a captured /proc and /sys\n"
"      --from FILE          what record has written\n"
"  -d, --interval TIME      repeat, until a signal or --count N\n"
"      --reset-peak         set the peak to what there is, once it is shown\n"
"      --output FILE        replace FILE when all is written\n"
"  -v, --verbose            say the source, and what it cannot show\n"
"  -h, --help; -V, --version\n"
"\n"
"exit: 0; 1 error; 2 usage; 3 incomplete; 4 suspects; 5 above a limit\n"
"\n"
"examples:\n"
"  dmabuf-stat processes --sort uss -n 5\n"
"  dmabuf-stat exporters --by comm,name --name-pattern\n"
"  dmabuf-stat buffers -f exporter=system -o ino,size,name\n"
"  dmabuf-stat leaks --for 60s\n"
"  dmabuf-stat check --max-bytes 2G || echo too much\n"
"  dmabuf-stat record bug.tar; dmabuf-stat --from bug.tar processes\n";

static uint64_t number(const char *arg, const char *what)
{
	uint64_t val;

	if (!parse_size(arg, &val))
		usage("%s: \"%s\" is not a number", what, arg);
	return val;
}

static uint64_t positive(const char *arg, const char *what)
{
	uint64_t val = number(arg, what);

	if (!val)
		usage("%s is at least 1", what);
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

	while ((c = getopt_long(argc, argv, "jo:rn:f:d:vhV", longopts,
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
			opt.rows = positive(optarg, "-n");
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
		case O_FROM:
			opt.from = optarg;
			break;
		case O_OPENMETRICS:
			opt.openmetrics = true;
			opt.prometheus = true;
			break;
		case 'd':
			opt.interval = duration(optarg);
			break;
		case O_COUNT:
			opt.count = positive(optarg, "--count");
			break;
		case O_RESET_PEAK:
			opt.reset_peak = true;
			break;
		case 'v':
			opt.verbose = true;
			break;
		case 'h':
			fputs(help, stdout);
			exit(EXIT_OK);
		case 'V':
			puts("dmabuf-stat " VERSION " (" WITH_BPF " BPF iterator, " WITH_TOP " top)");
			exit(EXIT_OK);
		default:
			usage("unknown option");
		}
	}
}

/* If memory is short, the totals remain: they need little of it */
static int summary(struct snap *s)
{
	static bool totals_only;
	static void *reserve;
	jmp_buf again;

	if (!totals_only) {
		no_memory = &again;
		if (!setjmp(again)) {
			/* what is printed needs some, too */
			reserve = xrealloc(NULL, 2, 1 << 20);
			snap_take(s, WANT_HOLDERS);
			free(reserve);
			no_memory = NULL;
			return cmd_summary(s);
		}
		no_memory = NULL;
		free(reserve);
		totals_only = true;
	}
	opt.by = NULL;
	snap_take(s, WANT_SUMS);
	snap_note(s, true, "not enough memory to tell what holds the buffers");
	return cmd_summary(s);
}

static bool limits(void)
{
	return opt.has_max_bytes || opt.has_max_buffers || opt.has_max_growth;
}

/* An option that does nothing would hide a mistake */
static void check_options(const char *command)
{
	const struct {
		const char *option, *commands;
		bool given;
	} only[] = {
		{ "--by", "exporters, processes and diff", opt.by },
		{ "--name-pattern", "exporters and diff", opt.name_pattern },
		{ "--for", "leaks", opt.for_ms },
		{ "--baseline", "leaks", opt.baseline },
		{ "--save-baseline", "leaks", opt.save },
		{ "a limit", "check", limits() },
		{ "--prometheus", "the summary", opt.prometheus },
		{ "a choice of rows or columns",
		  "buffer, buffers, exporters, processes, leaks and diff",
		  opt.columns || opt.sort || opt.nfilter },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(only); i++)
		if (only[i].given && !strstr(only[i].commands, command))
			usage("%s is for %s", only[i].option, only[i].commands);
	if (opt.json && opt.prometheus)
		usage("--json and --prometheus are two formats");
}

static int run(struct snap *s, const char *command, const char *arg)
{
	uint64_t ino;

	if (!strcmp(command, "summary")) {
		if (opt.prometheus) {
			opt.by = NULL;
			snap_take(s, WANT_SUMS);
			metrics(s);
			return EXIT_OK;
		}
		return summary(s);
	}
	if (!strcmp(command, "buffers")) {
		snap_take(s, WANT_HOLDERS);
		return cmd_buffers(s);
	}
	if (!strcmp(command, "exporters")) {
		snap_take(s, WANT_SUMS);
		return cmd_groups(s, command, opt.by ?: G_DEFAULT);
	}
	if (!strcmp(command, "processes")) {
		opt.by_allocator = opt.by && !strcmp(opt.by, "allocator");
		if (opt.by && !opt.by_allocator && strcmp(opt.by, "holder") &&
		    strcmp(opt.by, "cgroup") && strcmp(opt.by, "user"))
			usage("processes go by holder, allocator, cgroup or user");
		snap_take(s, opt.by_allocator ? 0 : WANT_HOLDERS);
		return cmd_processes(s);
	}
	if (!strcmp(command, "buffer")) {
		if (!parse_u64(arg, 10, &ino))
			usage("buffer needs an inode number");
		s->detail_ino = ino;
		snap_take(s, WANT_HOLDERS | WANT_DEVICES);
		return cmd_buffer(s, ino);
	}
	if (!strcmp(command, "leaks"))
		return cmd_leaks(s);
	if (!strcmp(command, "record")) {
		record();
		return EXIT_OK;
	}
	if (!strcmp(command, "top"))
		return cmd_top(s);
	if (!strcmp(command, "check")) {
		if (!limits())
			usage("check needs a limit");
		return cmd_check(s);
	}
	return EXIT_ERROR;
}

/* In place of what is closed, so that no other file takes its number */
static void open_standard(void)
{
	int fd;

	do {
		fd = open("/", O_PATH | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	close(fd);
}

/* Each of two captures, whose strings must stay */
static int diff(struct snap *b, char **files)
{
	static struct snap a;
	int status;

	if (opt.by && (parse_keys(opt.by) & (1 << G_CGROUP | 1 << G_USER)))
		usage("diff does not know cgroups and users");
	keep_strings = true;
	root_open(files[0]);
	snap_take(&a, 0);
	root_open(files[1]);
	snap_take(b, 0);
	if (a.incomplete)
		snap_note(b, true, "%s is incomplete", files[0]);
	status = cmd_diff(&a, b);
	keep_strings = false;
	return status;
}

static void reset_peak(void)
{
	static const char path[] = "sys/kernel/dmabuf/stats/peak_bytes";
	int fd = openat(root_fd, path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "0\n", 2) != 2)
		die("cannot reset /%s: %m", path);
	close(fd);
}

static void say(struct snap *s, const char *command)
{
	size_t i;

	/* the screen has them already */
	if (!strcmp(command, "summary") && out == stdout && isatty(1) &&
	    !opt.json && !opt.prometheus)
		return;
	if (opt.verbose)
		fprintf(stderr, "dmabuf-stat: source: %s\n",
			source_name(s->source) ?: "stats");
	/* the summary and JSON hold what a source lacks; leaks is silent */
	if (s->incomplete || opt.verbose ||
	    (!opt.json && (!strcmp(command, "buffers") ||
			   !strcmp(command, "exporters") ||
			   !strcmp(command, "processes") ||
			   !strcmp(command, "diff"))))
		for (i = 0; i < s->nnotes; i++)
			fprintf(stderr, "dmabuf-stat: %s\n", s->notes[i]);
}

static const struct {
	const char *name;
	int args;
	bool repeats, more;
} commands[] = {
	{ "summary", 0, true }, { "buffers", 0, true },
	{ "exporters", 0, true }, { "processes", 0, true },
	{ "buffer", 1, true }, { "leaks" }, { "check" }, { "top", 0, true },
	{ "record", 1 }, { "diff", 2 }, { "report", 1, false, true },
};

int main(int argc, char **argv)
{
	static struct snap s;
	const char *command;
	int status, last = 0;
	bool said = false;
	uint64_t n = 0;
	size_t i;

	open_standard();
	options(argc, argv);
	command = optind < argc ? argv[optind++] : "summary";
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, command))
			break;
	if (i == ARRAY_SIZE(commands))
		usage("unknown command \"%s\"", command);
	if (argc - optind > commands[i].args && !commands[i].more)
		usage("unexpected argument \"%s\"", argv[argc - 1]);
	if (argc - optind < commands[i].args)
		usage("%s needs %s", command, commands[i].args == 2 ?
		      "two captures" : *command == 'r' ? "a file" :
		      "an inode number");
	check_options(command);
	if (opt.interval && !commands[i].repeats)
		usage("%s does not repeat", command);
	if (opt.count && !opt.interval)
		usage("--count needs --interval");
	if (opt.interval && opt.prometheus && !opt.output)
		usage("metrics that repeat need --output");
	if (opt.from && opt.root)
		usage("--from and --root are two captures");
	if (opt.reset_peak && (opt.from || opt.root))
		usage("--reset-peak is for the running kernel");
	if (!strcmp(command, "record")) {
		if (opt.output || opt.json)
			usage("record writes one capture, not JSON");
		opt.output = argv[optind];
	}

	if (!strcmp(command, "report") && opt.json)
		usage("report is a page, no JSON");

	catch_signals();
	if (strcmp(command, "diff") && strcmp(command, "report"))
		root_open(opt.from ?: opt.root);
	else if (opt.from || opt.root)
		usage("%s has its captures as arguments", command);
	do {
		struct timespec ts = { opt.interval / 1000,
				       opt.interval % 1000 * 1000000 };

		if (n && nanosleep(&ts, NULL))
			break;
		out_open(opt.output);
		if (n && !opt.json && !opt.output)
			fputc('\n', out);
		if (!strcmp(command, "diff"))
			status = diff(&s, argv + optind);
		else if (!strcmp(command, "report"))
			status = cmd_report(&s, argv + optind);
		else
			status = run(&s, command, argv[optind]);
		status = out_close(status);
		/* once is enough */
		if (!n || opt.verbose || (s.incomplete && !said))
			say(&s, command);
		said |= s.incomplete;
		if (!status && s.incomplete)
			status = EXIT_PARTIAL;
		last = status ?: last;
		if (opt.reset_peak)
			reset_peak();
		n++;
	} while (opt.interval && !stop && n != opt.count &&
		 strcmp(command, "top"));
	snap_clear(&s);
	return last;
}
