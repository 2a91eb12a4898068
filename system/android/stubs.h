/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What libdmabufinfo and dmabuf_dump use of Android's libbase, libprocinfo and
 * libmeminfo, so that both build on other systems.
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#define getprogname() program_invocation_short_name

struct LogLine {
	int err;
	explicit LogLine(int e) : err(e) {}
	~LogLine() { if (err) std::cerr << ": " << strerror(err); std::cerr << std::endl; }
	std::ostream &to() { return std::cerr; }
};
#define LOG(severity) LogLine(0).to()
#define PLOG(severity) LogLine(errno).to()

namespace android {
namespace base {

inline bool ReadFileToString(const std::string &path, std::string *to)
{
	std::ifstream in(path);

	if (!in)
		return false;
	to->assign(std::istreambuf_iterator<char>(in), {});
	return !in.bad();
}

inline bool Readlink(const std::string &path, std::string *to)
{
	char s[4096];
	ssize_t n = readlink(path.c_str(), s, sizeof(s));

	if (n < 0)
		return false;
	to->assign(s, n);
	return true;
}

inline std::string Trim(const std::string &s)
{
	const char *blank = " \t\n\r\f\v";
	size_t from = s.find_first_not_of(blank);

	return from == s.npos ? "" : s.substr(from, s.find_last_not_of(blank) - from + 1);
}

inline bool StartsWith(const std::string &s, const std::string &prefix)
{
	return !s.compare(0, prefix.size(), prefix);
}

template <typename T> bool ParseUint(const std::string &s, T *to)
{
	char *end;

	errno = 0;
	*to = strtoull(s.c_str(), &end, 0);
	return !errno && !s.empty() && s[0] != '-' && !*end;
}

template <typename T> bool ParseInt(const std::string &s, T *to)
{
	char *end;

	errno = 0;
	*to = strtoll(s.c_str(), &end, 0);
	return !errno && !s.empty() && !*end;
}

__attribute__((format(printf, 1, 2)))
inline std::string StringPrintf(const char *format, ...)
{
	char *s;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&s, format, ap) < 0)
		abort();
	va_end(ap);
	std::string out(s);
	free(s);
	return out;
}

} // namespace base

namespace procinfo {

struct MapInfo {
	uint64_t start, end;
	ino_t inode;
	std::string name;
};

/* A line of /proc/PID/maps; until Android 12 the callback took the parts of it */
inline bool ReadMapFileContent(char *line, const std::function<void(const MapInfo &)> &callback)
{
	MapInfo m = {};
	uint64_t inode;
	int at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %" SCNu64 " %n", &m.start, &m.end,
		   &inode, &at) < 3 || !at)
		return false;
	m.inode = inode;
	m.name = line + at;
	callback(m);
	return true;
}

template <typename T> auto ReadMapFileContent(char *line, const T &callback) ->
	decltype(callback(0, 0, 0, 0, 0, ""), true)
{
	auto parts = [&](const MapInfo &m) {
		callback(m.start, m.end, 0, 0, m.inode, m.name.c_str());
	};

	return ReadMapFileContent(line, std::function<void(const MapInfo &)>(parts));
}

} // namespace procinfo

namespace meminfo {

enum class Format { INVALID, RAW, CSV };

inline Format GetFormat(const std::string &s)
{
	return s == "raw" ? Format::RAW : s == "csv" ? Format::CSV : Format::INVALID;
}

} // namespace meminfo
} // namespace android
