/* SPDX-License-Identifier: MIT */
/* live/live_acl.h — the smallest ACL user that the library needs, as docs/guide/security.md has it. */
#ifndef FAC_LIVE_LIVE_ACL_H
#define FAC_LIVE_LIVE_ACL_H

/* Without any of these something fails. `select` only with a db other than 0; `echo` only with
 * integrity_check. */
#define LIVE_ACL_NEEDED                                                                        \
    "+get +set +del +unlink +exists +pttl +pexpire +persist +incrby +multi +exec +scan +mget " \
    "+ping"

/* Without these it works, and knows less of the server. (`client|setinfo`, too, since Redis
 * 7.2: it tells the server whose connection it is.) */
#define LIVE_ACL_HELPFUL "+hello +info"

#endif
