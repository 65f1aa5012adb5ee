/* SPDX-License-Identifier: MIT */
/* engine/command.c — the table of commands. */
#include "engine/command.h"

#define BIT(type) (1U << (unsigned)(type))

enum {
    NONE = BIT(FAC_REPLY_NULL),
    TEXT = BIT(FAC_REPLY_STRING),
    STATUS = BIT(FAC_REPLY_STATUS),
    NUMBER = BIT(FAC_REPLY_INTEGER),
    ARRAY = BIT(FAC_REPLY_ARRAY),
    MAP = BIT(FAC_REPLY_MAP),
    LONG_TEXT = BIT(FAC_REPLY_STRING) | BIT(FAC_REPLY_VERBATIM),
    ANY = 0xffff,
};

/* clang-format off */
const struct faci_command k_faci_get     = {"GET",     FACI_RETRY_READ,  false, TEXT | NONE};
const struct faci_command k_faci_mget    = {"MGET",    FACI_RETRY_READ,  false, ARRAY};
const struct faci_command k_faci_set     = {"SET",     FACI_RETRY_WRITE, true,  STATUS};
const struct faci_command k_faci_add     = {"SET",     FACI_RETRY_NEVER, true,  STATUS | NONE};
const struct faci_command k_faci_del     = {"DEL",     FACI_RETRY_WRITE, true,  NUMBER};
const struct faci_command k_faci_unlink  = {"UNLINK",  FACI_RETRY_WRITE, true,  NUMBER};
const struct faci_command k_faci_exists  = {"EXISTS",  FACI_RETRY_READ,  false, NUMBER};
const struct faci_command k_faci_pttl    = {"PTTL",    FACI_RETRY_READ,  false, NUMBER};
const struct faci_command k_faci_pexpire = {"PEXPIRE", FACI_RETRY_READ,  true,  NUMBER};
const struct faci_command k_faci_persist = {"PERSIST", FACI_RETRY_READ,  true,  NUMBER};
const struct faci_command k_faci_incrby  = {"INCRBY",  FACI_RETRY_NEVER, true,  NUMBER};
const struct faci_command k_faci_multi   = {"MULTI",   FACI_RETRY_NEVER, true,  STATUS};
const struct faci_command k_faci_queued  = {"INCRBY",  FACI_RETRY_NEVER, true,  STATUS | NUMBER | NONE};
const struct faci_command k_faci_exec    = {"INCRBY",  FACI_RETRY_NEVER, true,  ARRAY | NONE};
const struct faci_command k_faci_scan    = {"SCAN",    FACI_RETRY_READ,  false, ARRAY};
const struct faci_command k_faci_ping    = {"PING",    FACI_RETRY_READ,  false, STATUS};
const struct faci_command k_faci_info    = {"INFO",    FACI_RETRY_READ,  false, LONG_TEXT};
const struct faci_command k_faci_hello   = {"HELLO",   FACI_RETRY_NEVER, false, MAP | ARRAY};
const struct faci_command k_faci_auth    = {"AUTH",    FACI_RETRY_NEVER, false, STATUS};
const struct faci_command k_faci_select  = {"SELECT",  FACI_RETRY_NEVER, false, STATUS};
const struct faci_command k_faci_client  = {"CLIENT",  FACI_RETRY_NEVER, false, STATUS};
const struct faci_command k_faci_check   = {"ECHO",    FACI_RETRY_NEVER, false, TEXT};
const struct faci_command k_faci_any     = {"command", FACI_RETRY_NEVER, true,  ANY};
/* clang-format on */

bool faci_command_is_scalar(const struct faci_command *command)
{
    return (command->reply_types & ~(unsigned)(TEXT | NONE | STATUS | NUMBER)) == 0;
}

bool faci_command_can_get(const struct faci_command *command, fac_reply_type type)
{
    return type == FAC_REPLY_ERROR || (command->reply_types & BIT(type)) != 0;
}
