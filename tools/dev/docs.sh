# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# docs.sh: the tables that come from settings.def, written into the pages that show them.

run_docs() {
    local page
    need_packages "${PACKAGES_TEST[@]}"
    build_preset test settings_doc
    for page in man/faciliter-env.7 docs/guide/configuration.md; do
        build/test/tests/unit/config/settings_doc "$page"
    done
    say "man/faciliter-env.7 and docs/guide/configuration.md show settings.def"
}
