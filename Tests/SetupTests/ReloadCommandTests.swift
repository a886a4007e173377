import Setup
import Testing

/// What counts as a reload of nginx, and as a renewal by certbot.
struct ReloadCommandTests {
    @Test(arguments: [
        "nginx -s reload", "/usr/sbin/nginx -t && /usr/sbin/nginx -s reload", "systemctl reload nginx",
        "systemctl try-reload-or-restart nginx.service", "service nginx reload", "/etc/init.d/nginx restart",
        "docker exec web nginx -s reload",
        "docker compose -f /srv/web/docker-compose.yml exec -T nginx nginx -s reload",
        "docker compose -f /srv/c.yml restart nginx", "docker kill --signal=HUP web-nginx-1",
        "docker kill -s HUP nginx", "docker restart nginx", "kill -HUP $(cat /run/nginx.pid)", "pkill -HUP nginx",
        "C=nginx\ndocker kill -s HUP \"$C\"", "docker exec \\\n  nginx nginx -s reload", "/opt/hooks/reload-nginx",
        "if true; then systemctl reload nginx; fi",
        "nginx() { docker compose exec -T nginx nginx \"$@\"; }\nnginx -s reload",
    ])
    func `reloads nginx`(text: String) { #expect(ReloadCommand.found(in: "#!/bin/sh\n\(text)\n") != nil) }

    @Test(arguments: [
        "systemctl reload haproxy # not nginx", "# nginx -s reload", "nginx -t", "systemctl status nginx",
        "cp /etc/letsencrypt/live/x/fullchain.pem /srv/nginx/", "docker restart haproxy", "kill -HUP 1", "echo reload",
        "systemctl reload postfix\ncp x /srv/nginx/x", "docker compose up -d nginx",
    ])
    func `does not reload nginx`(text: String) { #expect(ReloadCommand.found(in: "#!/bin/sh\n\(text)\n") == nil) }

    @Test(arguments: [
        "0 0,12 * * * root /opt/certbot/bin/python -c 'import random' && sudo certbot renew -q",
        "5 4 * * * certbot renew",
        "@daily /usr/local/bin/certbot-auto renew --no-self-upgrade",
        "0 3 * * * /opt/letsencrypt/letsencrypt-auto renew",
        "0 1 * * * docker run --rm -v /etc/letsencrypt:/etc/letsencrypt certbot/certbot:v5 renew",
        "0 1 * * * cd /srv && docker compose run --rm certbot renew", "0 2 1 * * certbot certonly --keep -d a.example",
    ])
    func `has certbot renew`(line: String) { #expect(CertbotCommand.isIn(line)) }

    @Test(arguments: [
        "# 5 4 * * * certbot renew", "MAILTO=certbot", "0 7 * * * certbot certificates | mail -s renew ops",
        "0 7 * * * /usr/bin/certctl renew", "0 7 * * * renew-books", "",
    ])
    func `does not`(line: String) { #expect(!CertbotCommand.isIn(line)) }

    @Test(arguments: [
        "certbot renew",
        "test -x /usr/bin/certbot -a \\! -d /run/systemd/system && perl -e 'sleep int(rand(43200))' && certbot -q renew",
        "/opt/certbot/bin/python -c 'import random; import time; time.sleep(random.random() * 3600)' && sudo certbot renew -q",
        "sleep 30; certbot renew -q >>/var/log/certbot.log 2>&1", "certbot renew # weekly; the others are elsewhere",
        "certbot renew && systemctl reload haproxy || echo failed | mail -s certbot ops",
        "certbot renew; service nginx reload",
        "cd /srv && docker compose run --rm certbot renew && docker compose kill -s HUP nginx",
        "sh -c 'sleep 5; certbot renew'", "if [ -x /usr/bin/certbot ]; then certbot renew; fi",
    ])
    func `with the line of certbot's nothing else is lost`(line: String) {
        #expect(CertbotCommand.isIn(line) && CertbotCommand.isAlone(in: line))
    }

    @Test(arguments: [
        "/usr/local/bin/backup-db; certbot renew -q", "backup-db && certbot renew", "certbot renew; backup-db",
        "certbot renew & backup-db", "sh -c 'backup-db; certbot renew'", "(backup-db; certbot renew)",
        "certbot renew && true; backup-db", "perl -e 'sleep 1; system(\"backup-db\")' && certbot renew",
        "if backup-db; then certbot renew; fi", "tar c /etc/letsencrypt >/srv/tls.tar && certbot renew",
    ])
    func `with the line of certbot's another job would go`(line: String) {
        #expect(CertbotCommand.isIn(line) && !CertbotCommand.isAlone(in: line))
    }
}
