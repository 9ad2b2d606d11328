# shellcheck shell=bash
# A mail server that keeps every mail in a folder and delivers none.

mail_packages() {
    missing_packages /usr/bin/python3 python3
    echo
}

mail_fetch() { :; }

mail_start() { launch mail /usr/bin/python3 "$NATIVE/smtp-sink" "$(port_of mail)" "$KITH_RUN/mail" "$(port_of mail-tls)" "$TLS"; }

mail_ready() { (exec 3<>"/dev/tcp/$(url_host "$KITH_MAIL_URL")/$(url_port "$KITH_MAIL_URL" 25)"); }
