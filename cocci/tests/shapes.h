/* SPDX-License-Identifier: GPL-2.0 */
/* What the shapes use of the kernel, as little as will do. */
struct work_struct { void (*func)(struct work_struct *work); };
struct timer_list { void (*function)(struct timer_list *t); };
struct callback_head { void (*func)(struct callback_head *head); };
struct tasklet_struct {
	union { void (*func)(long); void (*callback)(struct tasklet_struct *t); };
};
struct notifier_block {
	int (*notifier_call)(struct notifier_block *nb, unsigned long v, void *p);
};
struct dma_buf { void *priv; };
struct dma_buf_ops { void (*release)(struct dma_buf *dmabuf); };
struct virtio_dma_buf_ops { struct dma_buf_ops ops; };
struct dma_buf_export_info { const struct dma_buf_ops *ops; };
int kobject_del(void *p);
int harmless(void *p);
#define INIT_WORK(work, fn) ((work)->func = (fn))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
void *dma_buf_export(const struct dma_buf_export_info *info) { return 0; }
void queue(void *work) { }
void later(struct callback_head *head, void (*func)(struct callback_head *)) { }
void timer_init(struct timer_list *t, void (*func)(struct timer_list *t))
{ t->function = func; }
