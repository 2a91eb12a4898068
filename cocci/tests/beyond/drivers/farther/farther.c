// SPDX-License-Identifier: GPL-2.0
void farther(struct kobject *kobj)
{
	kobject_del(kobj);
}
