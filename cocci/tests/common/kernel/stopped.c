// SPDX-License-Identifier: GPL-2.0
void stopped(void *p)
{
	kobject_del(p);
}
