/* SPDX-License-Identifier: GPL-2.0 */
/* What the cases use of the kernel, as little as will do. */

struct kobject { int n; };
struct device { struct kobject kobj; };
struct kref { int n; };
struct rcu_head { void (*func)(struct rcu_head *head); };
struct work_struct { void (*func)(struct work_struct *work); };
struct timer_list { void (*function)(struct timer_list *t); };
struct notifier_block {
	int (*notifier_call)(struct notifier_block *nb, unsigned long v, void *p);
};
struct mutex { int n; };

struct dma_buf { void *priv; };
struct dma_buf_ops {
	int (*attach)(struct dma_buf *dmabuf);
	void (*release)(struct dma_buf *dmabuf);
};
struct virtio_dma_buf_ops { struct dma_buf_ops ops; };
struct dma_buf_export_info { const struct dma_buf_ops *ops; };

#define INIT_WORK(work, fn)	((work)->func = (fn))
#define timer_setup(timer, fn, flags)	((timer)->function = (fn))
#define DEFINE_FREE(name, type, free) \
	static inline void __free_##name(void *p) { type t = *(type *)p; free; }
#define DEFINE_GUARD(name, type, lock, unlock) \
	static inline void class_##name(type t) { lock; unlock; }

DEFINE_GUARD(mutex, struct mutex *, my_lock(t), my_unlock(t))

static inline void my_lock(struct mutex *m)
{
}

static inline void my_unlock(struct mutex *m)
{
}

static inline void schedule_work(struct work_struct *work)
{
}

static inline void mod_timer(struct timer_list *timer, unsigned long when)
{
}

static inline void call_rcu(struct rcu_head *head,
			    void (*func)(struct rcu_head *head))
{
}

static inline int kref_put(struct kref *kref, void (*release)(struct kref *k))
{
	release(kref);
	return 1;
}
