// SPDX-License-Identifier: GPL-2.0
/// Exporting or releasing a dma-buf must not create or remove a kobject, a
/// sysfs or kernfs entry or a device: these sleep behind global locks, can
/// fail, and cost memory for each buffer.
///
//# A root is what itself calls dma_buf_export(), or the helper of DRM or virtio
//# that does, the release of each dma_buf_ops and the allocate of each
//# dma_heap_ops.  A finding shows the chain from the root to the call,
//# in one line:
//#
//#   my.c:19:1-11: ERROR: the export or release of a dma-buf calls kobject_del:
//#       my_release -> my_free -> kobject_del
//#
//# Each function calls the next, or passes its address on, or queues it.  Move
//# the call into what runs once for the driver or the device.  Dropping a
//# reference counts as none of these.
//#
//# Looks through any number of calls, but only within the file.  Not seen are
//# calls through pointers in structs, pointers that are assigned, functions
//# that macros make, work that is set up in a function that no root calls, and
//# the callers of a root: a silent run is no proof.
//#
//# The context mode marks each such call in a file that exports dma-bufs,
//# whichever function makes it.
//
// Confidence: Moderate
// Options: --no-includes --include-headers --no-loops

virtual context
virtual org
virtual report

@initialize:python@
@@
edges = {}
roots = set()
sinks = []
own = ["dma_buf_export", "dma_buf_file_release", "dma_buf_release"]

def reached(name):
    """The shortest chain from a root to a function."""
    begin = sorted(roots | set(own).intersection(edges))
    todo = [[r] for r in begin]
    seen = set(begin)
    while todo:
        path = todo.pop(0)
        if path[-1] == name:
            return path
        for callee in sorted(edges.get(path[-1], ())):
            if callee not in seen:
                seen.add(callee)
                todo.append(path + [callee])
    return None

def message(path, callee):
    return ("ERROR: the export or release of a dma-buf calls %s: %s"
            % (callee, " -> ".join(path + [callee])))

@exports@
identifier x =~ "^(dma_buf_export|virtio_dma_buf_export|drm_gem_dmabuf_export|drm_gem_prime_export)$";
position p;
@@

x@p(...)

@ops@
identifier table, f;
@@

(
struct dma_buf_ops table = { .release = f };
|
struct virtio_dma_buf_ops table = { .ops = { .release = f } };
|
struct virtio_dma_buf_ops table = { .ops.release = f };
|
struct dma_heap_ops table = { .allocate = f };
)

// Skip the search for calls in the many files that have none of these
@mine@
identifier f =~ "^(dma_buf_export|dma_buf_file_release|dma_buf_release)$";
@@

f(...) { ... }

@call depends on exports || ops || mine@
identifier callee;
position p;
@@

callee@p(...)

@address depends on exports || ops || mine@
identifier x;
global idexpression callee;
position p;
@@

x(..., callee@p, ...)

@sink depends on exports || ops || mine@
identifier callee =~ "^(kobject_(add|init_and_add|create_and_add|del|rename|move|uevent(_env)?)|kset_(un)?register|kset_create_and_add|sysfs_(create|remove|add|update_group|(un)?merge_group|rename|move|delete)[a-z_]*|kernfs_(create|remove|rename|new|add|activate)[a-z_]*|(devm_)?device_(add_groups?|remove_groups?)|device_(add|register|del|unregister|create|create_with_groups|destroy|(create|remove)_(bin_)?file|rename|move)|cdev_device_(add|del)|misc_(de)?register|platform_device_(add|register|del|unregister)[a-z_]*|class_(create|destroy|register|unregister|(create|remove)_file)[a-z_]*)$";
position p;
@@

callee@p(...)

@script:python@
p << exports.p;
@@
roots.add(p[0].current_element)

@script:python@
f << ops.f;
@@
roots.add(f)

@script:python@
callee << call.callee;
p << call.p;
@@
edges.setdefault(p[0].current_element, set()).add(callee)

@script:python@
callee << address.callee;
p << address.p;
@@
edges.setdefault(p[0].current_element, set()).add(callee)

@script:python@
callee << sink.callee;
p << sink.p;
@@
sinks.append((p[0].current_element, callee, p))

@marked depends on context@
identifier sink.callee;
position sink.p;
@@

* callee@p(...)

@script:python depends on report@
@@
for f, callee, p in sinks:
    path = reached(f)
    if path:
        coccilib.report.print_report(p[0], message(path, callee))

@script:python depends on org@
@@
for f, callee, p in sinks:
    path = reached(f)
    if path:
        coccilib.org.print_todo(p[0], message(path, callee))

@script:python@
@@
edges.clear()
roots.clear()
del sinks[:]
