// SPDX-License-Identifier: GPL-2.0
// A plugin of gcc that writes down what each function of a file calls, and where
// functions are kept, before anything is optimized: macros are expanded, stubs,
// initializers, typedefs and cleanup attributes are what they are.  Then it ends
// the compiler: nothing else is wanted of it.
//
// One fact a line, words separated by blanks.  A function is "name" if other files
// can call it, "name@file:line" if not.  A place is "m:struct.field", "g:variable",
// "d:type" (what some pointer points to), "q:..." (queued: a work, a timer ...).
//   fn F TYPE FILE:LINE SECTION     defined here
//   call F CALLEE LINE              ptr F LINE TYPE      a call through a pointer
//   addr F CALLEE LINE              the address of CALLEE is taken in F
//   load F PLACE TYPE LINE          a pointer to a function is read
//   cast F TYPE LINE                made from what is none
//   form F Q LINE                   the address of something queued is taken
//   put PLACE CALLEE FILE:LINE      kept there by an initializer or assignment
//   flow PLACE SOURCE               kept there: what is in place SOURCE
//   open PLACE TYPE FILE:LINE F     kept there by F: a parameter, a result, ...
//   loose CALLEE TYPE FILE:LINE     the address of CALLEE goes anywhere
//   alias NAME CALLEE
//   dep FILE                        read for this
#include "gcc-plugin.h"
#include "plugin-version.h"
#include "tree.h"
#include "gimple.h"
#include "gimple-iterator.h"
#include "basic-block.h"
#include "cgraph.h"
#include "stringpool.h"
#include "attribs.h"
#include "output.h"
#include "diagnostic-core.h"
#include "options.h"
#include "varasm.h"
#include <string>
#include <set>
#include <map>
#include <unordered_set>

int plugin_is_GPL_compatible;

using std::string;

static std::set<string> facts;
static string root, self;	// the source tree; the function at hand

// What is queued, and run by a mechanism that the stop-list names
static const std::set<string> queued = {
	"work_struct", "delayed_work", "rcu_work", "timer_list", "hrtimer",
	"tasklet_struct", "irq_work", "callback_head", "kthread_work",
	"kthread_delayed_work", "__call_single_data", "swait_queue",
	"wait_queue_entry", "dma_fence_cb", "static_call_key", "llist_node_work",
	"notifier_block", "async_entry", "cpu_stop_work", "percpu_ref",
};

static string place(location_t l, bool line = true)
{
	expanded_location x = expand_location(l);
	string f = x.file ? x.file : "-";

	if (f.compare(0, root.size(), root) == 0)
		f = f.substr(root.size());
	while (f.compare(0, 2, "./") == 0)
		f = f.substr(2);
	return line ? f + ":" + std::to_string(x.line) : f;
}

static string number(location_t l)
{
	return std::to_string(expand_location(l).line);
}

static void fact(const string &s)
{
	facts.insert(s);
}

static string fname(tree f)
{
	string n = IDENTIFIER_POINTER(DECL_NAME(f));

	if (TREE_PUBLIC(f) && !DECL_DECLARED_INLINE_P(f))
		return DECL_ASSEMBLER_NAME_SET_P(f) &&
			IDENTIFIER_POINTER(DECL_ASSEMBLER_NAME(f))[0] != '*' ?
			IDENTIFIER_POINTER(DECL_ASSEMBLER_NAME(f)) : n;
	if (TREE_PUBLIC(f))
		return n;
	return n + "@" + place(DECL_SOURCE_LOCATION(f));
}

static string vname(tree v)
{
	string n = DECL_NAME(v) ? IDENTIFIER_POINTER(DECL_NAME(v)) : "anon";

	if (TREE_PUBLIC(v) || DECL_EXTERNAL(v))
		return n;
	return n + "@" + place(DECL_SOURCE_LOCATION(v)) + "#" +
		(DECL_CONTEXT(v) && TREE_CODE(DECL_CONTEXT(v)) == FUNCTION_DECL ?
		 std::to_string(DECL_UID(v)) + place(input_location, false) : "");
}

static string tname(tree t)
{
	t = TYPE_MAIN_VARIANT(t);
	tree n = TYPE_NAME(t);

	if (n && TREE_CODE(n) == TYPE_DECL)
		n = DECL_NAME(n);
	if (n)
		return IDENTIFIER_POINTER(n);
	if (TYPE_STUB_DECL(t))
		return "anon@" + place(DECL_SOURCE_LOCATION(TYPE_STUB_DECL(t)));
	return "anon";
}

static string sig(tree t, int depth = 0)
{
	switch (TREE_CODE(t)) {
	case VOID_TYPE:
		return "v";
	case BOOLEAN_TYPE:
	case INTEGER_TYPE:
	case ENUMERAL_TYPE:
		return "i" + std::to_string(TYPE_PRECISION(t));
	case POINTER_TYPE:
		return depth > 3 ? "*" : "*" + sig(TREE_TYPE(t), depth + 1);
	case RECORD_TYPE:
	case UNION_TYPE: {
		string n = tname(t);
		return n.compare(0, 5, "anon@") ? n : "anon";
	}
	case FUNCTION_TYPE: {
		string s = "f(" + sig(TREE_TYPE(t), depth + 1);
		for (tree a = TYPE_ARG_TYPES(t); a; a = TREE_CHAIN(a))
			if (TREE_VALUE(a) != void_type_node)
				s += "," + sig(TREE_VALUE(a), depth + 1);
		if (stdarg_p(t))
			s += ",...";
		return s + ")";
	}
	default:
		return "o" + std::to_string((int)TREE_CODE(t));
	}
}

static bool is_fp(tree t)
{
	return t && POINTER_TYPE_P(t) && TREE_CODE(TREE_TYPE(t)) == FUNCTION_TYPE;
}

static string fpsig(tree t)
{
	return is_fp(t) ? sig(TREE_TYPE(t)) : "any";
}

static bool is_queued(tree t)
{
	return t && TREE_CODE(t) == RECORD_TYPE && queued.count(tname(t));
}

static tree strip(tree x)
{
	while (x && (CONVERT_EXPR_P(x) || TREE_CODE(x) == VIEW_CONVERT_EXPR ||
		     TREE_CODE(x) == NON_LVALUE_EXPR))
		x = TREE_OPERAND(x, 0);
	return x;
}

// A function whose address x is, through casts
static tree function_of(tree x)
{
	x = strip(x);
	if (x && TREE_CODE(x) == ADDR_EXPR &&
	    TREE_CODE(TREE_OPERAND(x, 0)) == FUNCTION_DECL)
		return TREE_OPERAND(x, 0);
	return NULL_TREE;
}

// The place that x, a reference to memory, stands for; "" for a local variable
static string memory(tree x, tree type)
{
	for (;;) {
		switch (TREE_CODE(x)) {
		case ARRAY_REF:
		case ARRAY_RANGE_REF:
		case VIEW_CONVERT_EXPR:
		case REALPART_EXPR:
		case IMAGPART_EXPR:
		case BIT_FIELD_REF:
			x = TREE_OPERAND(x, 0);
			continue;
		case COMPONENT_REF: {
			tree f = TREE_OPERAND(x, 1);
			if (!DECL_NAME(f)) {
				x = TREE_OPERAND(x, 0);
				continue;
			}
			return "m:" + tname(DECL_CONTEXT(f)) + "." +
				IDENTIFIER_POINTER(DECL_NAME(f));
		}
		case MEM_REF:
		case INDIRECT_REF:
		case TARGET_MEM_REF: {
			tree b = TREE_OPERAND(x, 0);
			if (TREE_CODE(b) == ADDR_EXPR) {
				x = TREE_OPERAND(b, 0);
				continue;
			}
			return "d:" + fpsig(type);
		}
		case VAR_DECL:
			if (TREE_STATIC(x) || DECL_EXTERNAL(x))
				return "g:" + vname(x);
			return "";
		default:
			return "";
		}
	}
}

// The same for what is queued: the outer struct's field, or the variable
static string queue_place(tree x)
{
	string out;

	while (x) {
		switch (TREE_CODE(x)) {
		case ARRAY_REF:
			x = TREE_OPERAND(x, 0);
			continue;
		case COMPONENT_REF: {
			tree f = TREE_OPERAND(x, 1);
			tree c = DECL_CONTEXT(f);
			if (DECL_NAME(f) && !is_queued(c))
				return "q:" + tname(c) + "." +
					IDENTIFIER_POINTER(DECL_NAME(f));
			x = TREE_OPERAND(x, 0);
			continue;
		}
		case MEM_REF:
		case INDIRECT_REF:
			if (TREE_CODE(TREE_OPERAND(x, 0)) == ADDR_EXPR) {
				x = TREE_OPERAND(TREE_OPERAND(x, 0), 0);
				continue;
			}
			return "";
		case VAR_DECL:
			if (TREE_STATIC(x) || DECL_EXTERNAL(x))
				return "q:g:" + vname(x);
			return "q:l:" + self;	// on the stack: in this function
		default:
			return "";
		}
	}
	return "";
}

// Whether x is the function's field of something queued, and of what
static string queue_store(tree x)
{
	for (; TREE_CODE(x) == COMPONENT_REF; x = TREE_OPERAND(x, 0))
		if (is_queued(DECL_CONTEXT(TREE_OPERAND(x, 1)))) {
			string q = queue_place(TREE_OPERAND(x, 0));
			return q.empty() ? "q:?" +
				tname(DECL_CONTEXT(TREE_OPERAND(x, 1))) : q;
		}
	return "";
}

static void init(tree c, const string &where, const string &var, location_t loc,
		 bool inq)
{
	unsigned HOST_WIDE_INT i;
	tree index, value, f;

	if (!c)
		return;
	if ((f = function_of(c))) {
		fact("put " + where + " " + fname(f) + " " + place(loc));
		fact("put " + var + " " + fname(f) + " " + place(loc));
		if (inq)
			fact("put q:" + var + " " + fname(f) + " " + place(loc));
		return;
	}
	c = strip(c);
	if (TREE_CODE(c) == ADDR_EXPR) {
		tree v = TREE_OPERAND(c, 0);
		// a table in a literal of its own
		if (TREE_CODE(v) == COMPOUND_LITERAL_EXPR)
			init(DECL_INITIAL(COMPOUND_LITERAL_EXPR_DECL(v)), "d:any",
			     var, loc, false);
		return;
	}
	if (TREE_CODE(c) != CONSTRUCTOR)
		return;
	FOR_EACH_CONSTRUCTOR_ELT(CONSTRUCTOR_ELTS(c), i, index, value) {
		if (index && TREE_CODE(index) == FIELD_DECL && DECL_NAME(index)) {
			string q = is_queued(TREE_TYPE(index)) &&
				!is_queued(DECL_CONTEXT(index)) ?
				"q:" + tname(DECL_CONTEXT(index)) + "." +
				IDENTIFIER_POINTER(DECL_NAME(index)) : "";
			init(value, "m:" + tname(DECL_CONTEXT(index)) + "." +
			     IDENTIFIER_POINTER(DECL_NAME(index)),
			     q.empty() ? var : q, loc,
			     inq || !q.empty() || is_queued(DECL_CONTEXT(index)));
		} else {
			init(value, where, var, loc, inq);
		}
	}
}

// A variable of the function's own, or an intermediate value
static bool local(tree x)
{
	return TREE_CODE(x) == SSA_NAME ||
		(VAR_P(x) && !TREE_STATIC(x) && !DECL_EXTERNAL(x));
}

// What these hold
static std::map<tree, std::set<tree>> assigned;

static void sources(tree x, std::set<tree> &seen, std::set<tree> &out)
{
	x = strip(x);
	if (!x || !seen.insert(x).second)
		return;
	if (local(x) && assigned.count(x))
		for (tree s : assigned[x])
			sources(s, seen, out);
	else
		out.insert(x);
}

static void store(const string &to, tree x, location_t loc, tree type)
{
	std::set<tree> seen, from;

	sources(x, seen, from);
	for (tree s : from) {
		tree f = function_of(s);
		string m;
		if (f)
			fact("put " + to + " " + fname(f) + " " + place(loc));
		else if (TREE_CODE(s) == INTEGER_CST)
			;
		else if ((m = memory(s, type)) != "")
			fact("flow " + to + " " + m);
		else {
			fact("open " + to + " " + fpsig(type) + " " + place(loc) + " " + self);
			if (!is_fp(TREE_TYPE(s)))
				fact("open " + to + " any " + place(loc) + " " + self);
		}
	}
}

// Intermediate values that are more than compared
static std::set<tree> used;

static tree use(tree *tp, int *, void *)
{
	if (TREE_CODE(*tp) == SSA_NAME)
		used.insert(*tp);
	return NULL_TREE;
}

static location_t last;
static bool compares;	// the statement at hand only compares

// Every address and every read within an operand
static tree operand(tree *tp, int *walk, void *)
{
	tree x = *tp;

	if (TYPE_P(x)) {
		*walk = 0;
		return NULL_TREE;
	}
	if (TREE_CODE(x) == ADDR_EXPR) {
		tree v = TREE_OPERAND(x, 0);
		if (TREE_CODE(v) == FUNCTION_DECL) {
			if (!compares)
				fact("addr " + self + " " + fname(v) + " " + number(last));
		} else if (is_queued(TREE_TYPE(v))) {
			string q = queue_place(v);
			if (q != "")
				fact("form " + self + " " + q + " " + number(last));
		} else if (is_fp(TREE_TYPE(v))) {
			// both ways: what pointers to it are used for
			string m = memory(v, TREE_TYPE(v));
			if (m != "") {
				fact("flow " + m + " d:" + fpsig(TREE_TYPE(v)));
				fact("flow d:" + fpsig(TREE_TYPE(v)) + " " + m);
			}
		}
	}
	return NULL_TREE;
}

static void read(tree x, tree type)
{
	string m;

	if (!x || TREE_CODE(x) == ADDR_EXPR)
		return;
	if (is_fp(TREE_TYPE(x)) || is_fp(type)) {
		m = queue_store(x);
		if (m == "" || m.compare(0, 3, "q:?") == 0)
			m = memory(x, is_fp(TREE_TYPE(x)) ? TREE_TYPE(x) : type);
		if (m != "")
			fact("load " + self + " " + m + " " +
			     fpsig(is_fp(TREE_TYPE(x)) ? TREE_TYPE(x) : type) +
			     " " + number(last));
	}
	// a pointer to something queued, from memory
	if (POINTER_TYPE_P(TREE_TYPE(x)) && is_queued(TREE_TYPE(TREE_TYPE(x)))) {
		m = memory(x, TREE_TYPE(x));
		if (m != "")
			fact("form " + self + " q:*" + tname(TREE_TYPE(TREE_TYPE(x)))
			     + ":" + m + " " + number(last));
	}
}

// The address of g goes anywhere, as a value of type t
static void loose(tree g, tree t)
{
	fact("loose " + fname(g) + " " + sig(TREE_TYPE(g)) + " " + place(last));
	fact("loose " + fname(g) + " " + fpsig(t) + " " + place(last));
}

// The type that the callee has for its argument i
static tree parameter(gimple *s, unsigned i)
{
	tree t = TYPE_ARG_TYPES(gimple_call_fntype(s));

	while (t && i--)
		t = TREE_CHAIN(t);
	return t ? TREE_VALUE(t) : NULL_TREE;
}

static void call(gimple *s)
{
	tree fn = gimple_call_fn(s), f = gimple_call_fndecl(s);
	std::set<string> queues;

	if (gimple_call_internal_p(s))
		return;
	if (f) {
		// one that remained would not compile, or not link
		if (!lookup_attribute("error", DECL_ATTRIBUTES(f)))
			fact("call " + self + " " + fname(f) + " " + number(last));
	} else {
		fact("ptr " + self + " " + number(last) + " " +
		     sig(gimple_call_fntype(s)));
		read(fn, NULL_TREE);
		if (function_of(fn))
			fact("addr " + self + " " + fname(function_of(fn)) + " " +
			     number(last));
	}
	for (unsigned i = 0; i < gimple_call_num_args(s); i++) {
		tree a = strip(gimple_call_arg(s, i));
		std::set<tree> seen, from;
		sources(a, seen, from);
		for (tree x : from)
			if (TREE_CODE(x) == ADDR_EXPR &&
			    is_queued(TREE_TYPE(TREE_OPERAND(x, 0))))
				queues.insert(queue_place(TREE_OPERAND(x, 0)));
	}
	queues.erase("");
	for (unsigned i = 0; i < gimple_call_num_args(s); i++) {
		tree a = gimple_call_arg(s, i), g;
		std::set<tree> seen, from;
		read(a, NULL_TREE);
		sources(a, seen, from);
		for (tree x : from) {
			if (!(g = function_of(x))) {
				if (!is_fp(TREE_TYPE(a)))
					continue;
				string m = memory(x, TREE_TYPE(a));
				for (const string &q : queues)
					if (m != "")
						fact("flow " + q + " " + m);
					else if (TREE_CODE(x) != INTEGER_CST)
						fact("open " + q + " " + fpsig(TREE_TYPE(a)) + " " + place(last) + " " + self);
				continue;
			}
			for (const string &q : queues)
				fact("put " + q + " " + fname(g) + " " + place(last));
			loose(g, parameter(s, i));
		}
	}
	if (gimple_call_lhs(s) && is_fp(TREE_TYPE(gimple_call_lhs(s)))) {
		string m = memory(gimple_call_lhs(s), TREE_TYPE(gimple_call_lhs(s)));
		if (m != "")
			fact("open " + m + " " + fpsig(TREE_TYPE(gimple_call_lhs(s)))
			     + " " + place(last) + " " + self);
	}
}

static void assign(gimple *s)
{
	tree lhs = gimple_assign_lhs(s), rhs = gimple_assign_rhs1(s);
	tree lt = TREE_TYPE(lhs), g = function_of(rhs);
	string m, q;

	if (TREE_CODE(rhs) == CONSTRUCTOR)
		init(rhs, memory(lhs, lt), "l:" + self, last, is_queued(lt));
	// whether there is a function is no use of it
	if (TREE_CODE(lhs) != SSA_NAME || used.count(lhs))
		for (unsigned i = 1; i < gimple_num_ops(s); i++)
			read(gimple_op(s, i), lt);
	// a pointer to a function made of something else
	if (is_fp(lt) && !is_fp(TREE_TYPE(rhs)) && TREE_CODE(rhs) != INTEGER_CST &&
	    !(POINTER_TYPE_P(TREE_TYPE(rhs)) && VOID_TYPE_P(TREE_TYPE(TREE_TYPE(rhs)))
	      && TREE_CODE(rhs) == PARM_DECL))
		fact("cast " + self + " " + fpsig(lt) + " " + number(last));
	if (!is_fp(lt) && !g)
		return;
	for (unsigned i = 1; i < gimple_num_ops(s); i++) {
		tree op = gimple_op(s, i);
		if ((q = queue_store(lhs)) != "")
			store(q, op, last, lt);
		if ((m = memory(lhs, lt)) != "")
			store(m, op, last, lt);
	}
	if (g && m == "" && !(local(lhs) && is_fp(lt)))
		loose(g, lt);
}

static void body(cgraph_node *node)
{
	function *fun = DECL_STRUCT_FUNCTION(node->decl);
	basic_block bb;

	if (!fun || !fun->cfg)
		return;
	self = fname(node->decl);
	const char *sec = DECL_SECTION_NAME(node->decl);
	fact("fn " + self + " " + sig(TREE_TYPE(node->decl)) + " " +
	     place(DECL_SOURCE_LOCATION(node->decl)) + " " + (sec ? sec : "-"));
	assigned.clear();
	used.clear();
	FOR_EACH_BB_FN(bb, fun)
		for (auto gsi = gsi_start_bb(bb); !gsi_end_p(gsi); gsi_next(&gsi)) {
			gimple *s = gsi_stmt(gsi);
			for (unsigned i = 0; i < gimple_num_ops(s); i++) {
				tree op = gimple_op(s, i);
				if (op && gimple_code(s) != GIMPLE_COND &&
				    !(is_gimple_assign(s) && (!i ||
				      TREE_CODE_CLASS(gimple_assign_rhs_code(s)) == tcc_comparison)))
					walk_tree_without_duplicates(&op, use, NULL);
				if (op && is_gimple_assign(s) && !i && TREE_CODE(op) != SSA_NAME)
					walk_tree_without_duplicates(&op, use, NULL);
			}
			if (is_gimple_assign(s) && local(gimple_assign_lhs(s)))
				for (unsigned i = 1; i < gimple_num_ops(s); i++)
					assigned[gimple_assign_lhs(s)].insert(gimple_op(s, i));
			else if (is_gimple_call(s) && gimple_call_lhs(s) &&
				 local(gimple_call_lhs(s)))
				assigned[gimple_call_lhs(s)].insert(error_mark_node);
		}
	last = DECL_SOURCE_LOCATION(node->decl);
	FOR_EACH_BB_FN(bb, fun)
		for (auto gsi = gsi_start_bb(bb); !gsi_end_p(gsi); gsi_next(&gsi)) {
			gimple *s = gsi_stmt(gsi);
			if (gimple_location(s) != UNKNOWN_LOCATION)
				last = gimple_location(s);
			compares = gimple_code(s) == GIMPLE_COND || (is_gimple_assign(s) &&
				TREE_CODE_CLASS(gimple_assign_rhs_code(s)) == tcc_comparison);
			for (unsigned i = 0; i < gimple_num_ops(s); i++) {
				// the callee itself is no address that is taken
				if (is_gimple_call(s) && i == 1 &&
				    gimple_call_fndecl(s))
					continue;
				tree op = gimple_op(s, i);
				if (op && TREE_CODE(op) == TREE_LIST)
					op = TREE_VALUE(op);
				if (op)
					walk_tree_without_duplicates(&op, operand, NULL);
			}
			if (is_gimple_call(s))
				call(s);
			else if (is_gimple_assign(s))
				assign(s);
			else if (gimple_code(s) == GIMPLE_RETURN)
				if (tree r = gimple_return_retval(as_a<greturn *>(s))) {
					std::set<tree> seen, from;
					read(r, NULL_TREE);
					sources(r, seen, from);
					for (tree x : from)
						if (tree g = function_of(x))
							loose(g, TREE_TYPE(TREE_TYPE(node->decl)));
				}
		}
}

static void dump(void *, void *)
{
	cgraph_node *node;
	varpool_node *var;

	if (asm_file_name && asm_file_name[0] != '/')
		return;		// not an object
	FOR_EACH_FUNCTION(node) {
		if (node->alias && node->analyzed && node->get_alias_target())
			fact("alias " + fname(node->decl) + " " +
			     fname(node->get_alias_target()->decl));
		else if (node->has_gimple_body_p())
			body(node);
	}
	self = "-";
	FOR_EACH_VARIABLE(var)
		if (DECL_INITIAL(var->decl) && DECL_INITIAL(var->decl) != error_mark_node)
			init(DECL_INITIAL(var->decl), "g:" + vname(var->decl),
			     "g:" + vname(var->decl),
			     DECL_SOURCE_LOCATION(var->decl),
			     is_queued(TREE_TYPE(var->decl)));

	const char *out = getenv("FACTS");
	string name = main_input_filename;
	if (name.compare(0, root.size(), root) == 0)
		name = name.substr(root.size());
	while (name.compare(0, 2, "./") == 0)
		name = name.substr(2);
	for (char &c : name)
		if (c == '/')
			c = '+';
	string path = string(out) + "/" + name;
	FILE *f = fopen((path + ".new").c_str(), "w");
	if (!f)
		fatal_error(UNKNOWN_LOCATION, "cannot write %s", path.c_str());
	for (const string &s : facts)
		fprintf(f, "%s\n", s.c_str());
	if (fclose(f) || rename((path + ".new").c_str(), path.c_str()))
		fatal_error(UNKNOWN_LOCATION, "cannot write %s", path.c_str());
	exit(0);
}

static void included(void *file, void *)
{
	if (file) {
		string f = (const char *)file;
		if (f[0] != '<')
			fact("dep " + (f.compare(0, root.size(), root) ? f :
				       f.substr(root.size())));
	}
}

int plugin_init(plugin_name_args *args, plugin_gcc_version *version)
{
	if (!plugin_default_version_check(version, &gcc_version))
		return 1;
	for (int i = 0; i < args->argc; i++)
		if (!strcmp(args->argv[i].key, "root"))
			root = string(args->argv[i].value) + "/";
	register_callback(args->base_name, PLUGIN_ALL_IPA_PASSES_START, dump, NULL);
	register_callback(args->base_name, PLUGIN_INCLUDE_FILE, included, NULL);
	return 0;
}
