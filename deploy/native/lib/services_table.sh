# shellcheck shell=bash
# shellcheck disable=SC2034 # used by the files that source this one
# Generated from services/*/service.toml by `cargo kith generate`. Do not edit.

# In the order of their admin ports.
SERVICES=(gateway accounts contacts network search notifications)
# The one whose HTTP port is published.
PUBLIC_SERVICE=gateway
MAIL_SERVICES=(notifications)
declare -A STORE_OF=(
    [gateway]="postgres"
    [accounts]="postgres"
    [contacts]="postgres"
    [network]="neo4j"
    [search]="elasticsearch"
    [notifications]="postgres"
)
# Added to KITH_ADMIN_PORT_BASE.
declare -A ADMIN_PORT_OF=(
    [gateway]="1"
    [accounts]="2"
    [contacts]="3"
    [network]="4"
    [search]="5"
    [notifications]="6"
)
# The folder of a built web app, in the service's own.
declare -A WEB_OF=(
    [gateway]="web/dist"
)
# Besides those for store and broker: NAME:KIND.
declare -A SECRETS_OF=(
    [accounts]="signing_key:ed25519"
    [network]="pepper:random"
)
# Variables without prefix, and the secrets they name: VARIABLE=NAME.
declare -A SECRET_SETTINGS_OF=(
    [accounts]="TOKENS__SIGNING_KEY_FILE=signing_key"
    [network]="IDENTITY__PEPPER_FILE=pepper"
)
# Only on a developer's machine: VARIABLE=VALUE, without prefix.
declare -A LOCAL_SETTINGS_OF=(
    [gateway]="HTTP__MAX_CONNECTIONS_PER_ADDRESS=5000 RATES__BURST=10000 RATES__PER_ACCOUNT_PER_MINUTE=100000 RATES__PER_ADDRESS_PER_MINUTE=100000"
    [accounts]="SIGN_IN__FAILURES=100000"
)
