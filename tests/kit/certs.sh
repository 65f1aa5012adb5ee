#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# certs.sh DIR: the authorities, certificates and keys of the tests, good and bad ones, made anew by
# openssl. Keys are worth nothing, and stay in the build directory.
set -euo pipefail
umask 077
dir=$1
rm -rf "$dir"
mkdir -p "$dir/new"
cd "$dir"

run() {
    openssl "$@" >>log 2>&1 || { tail -n 20 log >&2; echo "failed: openssl $*" >&2; exit 1; }
}

: >index
echo 01 >serial
cat >ca.conf <<'EOF'
[ca]
default_ca = any
[any]
database = index
serial = serial
new_certs_dir = new
default_md = sha256
default_crl_days = 3650
policy = any_policy
unique_subject = no
copy_extensions = none
[any_policy]
commonName = supplied
[req]
distinguished_name = any_name
[any_name]
EOF

far="-startdate 20200101000000Z -enddate 20491231235959Z"

key() {
    [ -e "$1.key" ] || run genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"
}

# sign NAME ISSUER CN DATES EXTENSION…: NAME.pem by ISSUER (itself: self-signed), from NAME.key.
sign() {
    local name=$1 issuer=$2 cn=$3 dates=$4
    shift 4
    printf '%s\n' "$@" >"$name.ext"
    key "$name"
    run req -new -config ca.conf -key "$name.key" -subj "/CN=$cn" -out "$name.csr"
    local by=(-cert "$issuer.pem" -keyfile "$issuer.key")
    [ "$issuer" != "$name" ] || by=(-selfsign -keyfile "$name.key")
    # shellcheck disable=SC2086 # two words and their values
    run ca -batch -notext -config ca.conf -in "$name.csr" -out "$name.pem" "${by[@]}" $dates \
        ${digest:+-md "$digest"} -extfile "$name.ext"
}

authority='basicConstraints = critical,CA:TRUE'
signs='keyUsage = critical,keyCertSign,cRLSign'
leaf='basicConstraints = CA:FALSE'
server='extendedKeyUsage = serverAuth'
client='extendedKeyUsage = clientAuth'

# san NAME: what the certificate says it is for.
san() {
    printf 'subjectAltName = %s' "$1"
}

sign ca ca "faciliter tests" "$far" "$authority" "$signs"
sign other_ca other_ca "another authority" "$far" "$authority" "$signs"

# Good ones. `server` is what all tests use that are about something else.
sign server ca server "$far" "$leaf" "$server" "$(san 'DNS:localhost,IP:127.0.0.1,IP:::1')"
sign dns ca dns "$far" "$leaf" "$server" "$(san DNS:cache.example.com)"
sign ip ca ip "$far" "$leaf" "$server" "$(san IP:127.0.0.1)"
sign wildcard ca wildcard "$far" "$leaf" "$server" "$(san 'DNS:*.example.com')"
sign mixed_case ca mixed_case "$far" "$leaf" "$server" "$(san DNS:Cache.EXAMPLE.com)"
sign idn ca idn "$far" "$leaf" "$server" "$(san DNS:xn--bcher-kva.example.com)"
sign client ca client "$far" "$leaf" "$client"
sign second_client ca second_client "$far" "$leaf" "$client"

# Names that do not fit.
sign ip_as_dns ca ip_as_dns "$far" "$leaf" "$server" "$(san DNS:127.0.0.1)"
sign cn_only ca cache.example.com "$far" "$leaf" "$server"
sign partial ca partial "$far" "$leaf" "$server" "$(san 'DNS:c*e.example.com')"
sign suffix ca suffix "$far" "$leaf" "$server" "$(san 'DNS:*.com')"
# "cache.example.com", NUL, ".evil.example": SEQUENCE of one dNSName of 31 bytes.
nul=$(printf 'cache.example.com\0.evil.example' | od -An -v -tx1 | tr -d '\n' | sed 's/^ //; s/ /:/g')
sign nul ca nul "$far" "$leaf" "$server" "subjectAltName = DER:30:21:82:1f:$nul"

# Times, and who signed.
sign expired ca expired "-startdate 20200101000000Z -enddate 20210101000000Z" "$leaf" "$server" \
    "$(san IP:127.0.0.1)"
sign future ca future "-startdate 20480101000000Z -enddate 20491231235959Z" "$leaf" "$server" \
    "$(san IP:127.0.0.1)"
sign self self self "$far" "$leaf" "$server" "$(san IP:127.0.0.1)"
sign foreign other_ca foreign "$far" "$leaf" "$server" "$(san IP:127.0.0.1)"
sign middle ca "middle authority" "$far" "$authority" "$signs"
sign below middle below "$far" "$leaf" "$server" "$(san IP:127.0.0.1)"
cat below.pem middle.pem >below_chain.pem
sign no_ca ca "no authority" "$far" "$leaf"
sign below_no_ca no_ca below_no_ca "$far" "$leaf" "$server" "$(san IP:127.0.0.1)"
cat below_no_ca.pem no_ca.pem >below_no_ca_chain.pem
sign short ca "short path" "$far" 'basicConstraints = critical,CA:TRUE,pathlen:0' "$signs"
sign too_deep short "too deep" "$far" "$authority" "$signs"
sign below_too_deep too_deep below_too_deep "$far" "$leaf" "$server" "$(san IP:127.0.0.1)"
cat below_too_deep.pem too_deep.pem short.pem >below_too_deep_chain.pem
sign for_clients ca for_clients "$far" "$leaf" "$client" "$(san IP:127.0.0.1)"
sign foreign_client other_ca foreign_client "$far" "$leaf" "$client"

# Weak ones.
digest=sha1 sign sha1 ca sha1 "$far" "$leaf" "$server" "$(san IP:127.0.0.1)"
run genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out rsa1024.key
sign rsa1024 ca rsa1024 "$far" "$leaf" "$server" "$(san IP:127.0.0.1)"

# Revoked, and the list that says so beside the authority.
sign revoked ca revoked "$far" "$leaf" "$server" "$(san IP:127.0.0.1)"
run ca -config ca.conf -cert ca.pem -keyfile ca.key -revoke revoked.pem
run ca -config ca.conf -cert ca.pem -keyfile ca.key -gencrl -out crl.pem
cat ca.pem crl.pem >ca_crl.pem

mkdir authorities empty
cp ca.pem other_ca.pem authorities/
: >nothing.pem
echo 'no certificate' >junk.pem
date >made
