import Scheduling
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
}
