/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The index of dma-bufs and those who read its list, for spin.
 *
 * An atomic block is what the kernel does in one hold of the index lock, or
 * alone; between two blocks anything may happen. The function that a block
 * stands for is named above it. scripts/model explores all of it for the sizes
 * below, and again with each of the BROKEN_... rules, which must be found.
 */

#ifndef NB
#define NB	3	/* buffers that are ever exported */
#endif
#ifndef NR
#define NR	2	/* readers */
#endif
#ifndef BATCH
#define BATCH	1	/* DMA_BUF_INDEX_BATCH */
#endif

/* Nodes of the list: its head, the buffers, which are their numbers, cursors */
#define HEAD		0
#define CURSOR(r)	(NB + 1 + (r))
#define NODES		(NB + 1 + NR)
#define NUMBER(n)	((n) <= NB -> (n) : 0)
#define BIT(n)		(1 << (n))

/* What ->start and ->next return */
#define V_NULL	0
#define V_TOKEN	1	/* SEQ_START_TOKEN */
#define V_ROW	2
#define V_END	3	/* the line that ends a listing */

/* dma_buf_index */
byte next[NODES], prev[NODES];
byte last;

byte live;		/* buffers in the list */
byte refs[NB + 1];	/* references to a buffer */
bool rcu[NR];		/* the reader is inside rcu_read_lock() */
bool gone;		/* the module that the names are in is unloaded */
bool going;		/* it can export nothing more */

/* What only the promises need */
byte must[NR];		/* there since the listing began */
bool ended[NR];		/* a listing has just ended */

inline list_add(n, at)
{
	next[n] = next[at];
	prev[n] = at;
	prev[next[n]] = n;
	next[at] = n
}

inline list_add_tail(n, at)
{
	prev[n] = prev[at];
	next[n] = at;
	next[prev[n]] = n;
	prev[at] = n
}

inline list_del(n)
{
	next[prev[n]] = next[n];
	prev[next[n]] = prev[n];
	next[n] = 0;
	prev[n] = 0
}

inline list_move(n, at)
{
	list_del(n);
	list_add(n, at)
}

inline list_move_tail(n, at)
{
	list_del(n);
	list_add_tail(n, at)
}

inline insert()
{
	list_add_tail(ino, HEAD);
	live = live | BIT(ino);
	refs[ino] = 1
}

proctype exporter()
{
	byte ino;

end:	do
#ifdef BROKEN_NUMBER_BEFORE_PLACE
	:: atomic { last < NB && !going -> last++; ino = last };
	   atomic { insert(); ino = 0 }
#else
	/* dma_buf_index_add() */
	:: atomic {
		last < NB && !going ->
		last++;
		ino = last;
		insert();
		ino = 0
	   }
#endif
	od
}

/* The last reference goes: dma_buf_release(), dma_buf_index_del() */
inline put(b)
{
	refs[b] = refs[b] - 1;
	if
	:: refs[b] == 0 ->
		list_del(b);
		live = live & ~BIT(b);
		for (i : 0 .. NR - 1) {
			must[i] = must[i] & ~BIT(b)
		}
	:: else
	fi
}

/* Users close what was exported, in any order, or do not */
proctype closer()
{
	byte i, b;

end:	do
	:: atomic {
		live != 0 ->
		select (b : 1 .. NB);
		if
		:: (live & BIT(b)) && refs[b] > 0 ->
			put(b);
			/* A reader pins nothing */
			assert(!(live & BIT(b)))
		:: else
		fi;
		i = 0;
		b = 0
	   }
	od
}

/* free_module(), when no buffer is left; it waits for RCU */
proctype unloader()
{
	byte i;

end:	atomic { live == 0 && last > 0 -> going = true };
	do
	:: atomic { i < NR && !rcu[i] -> i++ }
	:: atomic { i == NR -> gone = true; break }
	od
}

/*
 * The lock may be dropped in the middle, when the batch is used up; then the
 * cursor is where to go on.
 */
#define find_hold							\
	atomic {							\
		do							\
		:: p = next[p];						\
		   if							\
		   :: p == HEAD -> break				\
		   :: else						\
		   fi;							\
		   /* Freed, it is in no list: a use after free */	\
		   assert(p > NB || (live & BIT(p)));			\
		   if							\
		   :: NUMBER(p) >= pos -> break				\
		   :: else						\
		   fi;							\
		   budget--;						\
		   if							\
		   :: budget == 0 -> break				\
		   :: else						\
		   fi							\
		od;							\
		if							\
		:: budget == 0 -> batch_used				\
		:: else -> batch_left					\
		fi							\
	}

#if defined(BROKEN_DROP_AT_POINTER)
#define batch_used	skip
#elif defined(BROKEN_DROP_STARTS_OVER)
#define batch_used	p = CURSOR(r)
#elif defined(BROKEN_DROP_STEPS_OVER)
#define batch_used	p = next[p]; list_move(CURSOR(r), p); p = CURSOR(r)
#else
#define batch_used	list_move(CURSOR(r), p); p = CURSOR(r)
#endif

#ifdef BROKEN_CURSOR_BEHIND_ROW
#define move_cursor							\
	if								\
	:: p != HEAD -> list_move(CURSOR(r), p)				\
	:: else -> list_move_tail(CURSOR(r), HEAD)			\
	fi
#else
#define move_cursor	list_move_tail(CURSOR(r), p)
#endif

#ifdef BROKEN_LATER_ONES_LISTED
#define belongs		(p != HEAD)
#else
#define belongs		(p != HEAD && p <= limit)
#endif

#ifdef BROKEN_READER_PINS
#define no_row		skip	/* its reference is kept */
#define pin		refs[row] = refs[row] + 1
#define unpin	if :: row != 0 -> atomic { put(row); row = 0; i = 0 } :: else fi
#else
#define no_row		row = 0
#define pin		skip
#define unpin		skip
#endif

#ifdef BROKEN_RCU_AFTER_UNLOCK
#define rcu_inside	skip
#define rcu_outside	rcu[r] = true
#else
#define rcu_inside	rcu[r] = true
#define rcu_outside	skip
#endif

#ifdef BROKEN_CURSOR_IS_POINTER
/* No node of its own: the reader remembers which one comes next */
#define begin_at	p = (stays -> stays : HEAD);			\
			if						\
			:: stays -> assert(live & BIT(stays)); p = prev[p] \
			:: else						\
			fi
#define batch_left							\
	stays = (p > NB -> 0 : p);					\
	copy
#else
#define begin_at	p = CURSOR(r)
#define batch_left							\
	move_cursor;							\
	copy
#endif

#define copy								\
	if								\
	:: belongs -> row = p; v = V_ROW; pin				\
	:: else -> v = (pos <= limit + 1 -> V_END : V_NULL)		\
	fi;								\
	budget = 0;								\
	rcu_inside;							\
	p = 0

/* dma_buf_list_find(), dma_buf_index_find() */
inline find()
{
	unpin;
	budget = BATCH;
	begin_at;
	do
	:: find_hold;
	   if
	   :: p == 0 -> break
	   :: else -> budget = BATCH	/* cond_resched() */
	   fi
	od;
	rcu_outside
}

/* dma_buf_list_show(): reads the strings; what fits is the user's */
inline show_row()
{
	assert(v != V_ROW || !gone);
#ifdef BROKEN_COUNTED_WHEN_SHOWN
	if
	:: v == V_ROW -> nr++
	:: else
	fi;
#endif
	if
#ifndef ONLY_WHOLE_LISTINGS
	:: fits = false
#endif
	:: fits = true;
	   if
	   :: v == V_ROW ->
		/* Ascending, so not twice; and none of later ones */
		assert(row > top && row <= limit);
		top = row;
		count++;
		must[r] = must[r] & ~BIT(row)
	   :: v == V_END ->
		/* All that were there from the first read on */
		assert(must[r] == 0);
		assert(nr == count)
	   :: else
	   fi
	fi
}

/* dma_buf_list_next(), as far as its first lines */
inline next_pos()
{
	if
	:: v == V_TOKEN -> pos = 1
	:: v == V_END -> pos = limit + 2
	:: v == V_ROW ->
#ifndef BROKEN_COUNTED_WHEN_SHOWN
		nr++;
#endif
#if defined(BROKEN_ROW_COMES_AGAIN)
		pos = row
#elif defined(BROKEN_NUMBER_STEPS_OVER)
		pos = row + 2
#else
		pos = row + 1
#endif
	fi
}

/* seq_read_iter(): rows until one does not fit, or the read is full */
inline show_rows()
{
	do
	:: atomic {
		v != V_NULL ->
		show_row();
		if
		:: fits ->
			next_pos();
			rcu[r] = false;
			fits = false;
			no_row
		:: else -> break
		fi
	   };
	   find();
	   if
	   :: break
	   :: true
	   fi
	:: v == V_NULL -> break
	od;
	/* dma_buf_list_stop() */
	atomic {
		ended[r] = (v == V_NULL);
		rcu[r] = false;
		v = V_NULL;
		no_row
	}
}

proctype reader(byte r)
{
	byte pos, limit, nr, row, v;	/* m->index and struct dma_buf_list */
	byte p, budget;			/* local to dma_buf_index_find() */
	byte top, count;		/* what the listing has shown so far */
	byte i, stays;
	bool fits;

	/* dma_buf_list_open(), dma_buf_index_rewind() */
	atomic {
		list_add(CURSOR(r), HEAD);
#ifdef BROKEN_BEGINS_WHEN_OPENED
		limit = last
#endif
	}

	/* Each turn is a read, or after a row that did not fit the next try */
	do
#ifdef ONLY_WHOLE_LISTINGS
	:: atomic { pos == limit + 2 -> pos = 0 }
#else
	/* dma_buf_list_release(): dma_buf_index_del_cursor() */
	:: atomic { list_del(CURSOR(r)); must[r] = 0; break }
	/* lseek() to 0, or pread() there, in the middle of a listing */
	:: atomic { pos != 0 -> pos = 0 }
#endif
	:: atomic {
		pos == 0 ->
		/* dma_buf_list_start(), dma_buf_index_rewind() */
		list_move(CURSOR(r), HEAD);
#ifndef BROKEN_BEGINS_WHEN_OPENED
		limit = last;
#endif
		stays = 0;
		must[r] = live;
		top = 0;
		count = 0;
		nr = 0;
		rcu[r] = true;
		ended[r] = false;
		v = V_TOKEN
	   };
	   show_rows()
	:: pos != 0 ->
		/* dma_buf_list_start() */
		find();
		show_rows()
	od
}

init
{
	byte k;

	atomic {
		run exporter();
#ifdef BROKEN_NUMBER_BEFORE_PLACE
		run exporter();
#endif
		run closer();
#ifndef BROKEN_NUMBER_BEFORE_PLACE
		run unloader();
#endif
		for (k : 0 .. NR - 1) {
			run reader(k)
		}
	}
}

/*
 * Each listing ends, whatever others do, if there are no more readers than a
 * batch has entries. The limit is real: more of them, each of which runs at the
 * same time and passes the others in turn, would do so for ever.
 */
ltl ends { []<> ended[0] }
