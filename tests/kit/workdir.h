/* SPDX-License-Identifier: MIT */
/* kit/workdir.h — a private directory that does not outlive its test for long: one that a crash
 * left behind is removed when the next test makes its own. */
#ifndef FAC_KIT_WORKDIR_H
#define FAC_KIT_WORKDIR_H

enum {
    KIT_WORKDIR_PATH_BYTES = 64 /* short: a Unix socket's path must fit below it */
};

struct kit_workdir {
    char path[KIT_WORKDIR_PATH_BYTES];
    int lock_fd; /* locked while the owner lives, whatever ends it */
};

/* Under TMPDIR, else /tmp. Asserts that it works. */
void kit_workdir_make(struct kit_workdir *dir);

/* With the files in it. */
void kit_workdir_remove(struct kit_workdir *dir);

#endif
