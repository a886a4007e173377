import FoundationEssentials
import Glibc
import Rig

/// A host as a page assumes one, on a stack: the plain commands and paths of the page are made to mean a tree of the
/// page's own, the stack's CA and its nginx.
struct Sandbox {
    private let stack: Stack
    private let root: String
    /// What a page writes and what it means here, the longer texts first.
    private let meanings: [(shown: String, real: String)]

    static var certctl: String { BuiltProgram.certctl }

    init(_ stack: Stack, page: String) throws {
        self.stack = stack
        root = "\(stack.directory)/\(page.split(separator: "/").last ?? "page")"
        meanings = [
            ("https://acme-v02.api.letsencrypt.org/directory", stack.pebble.directoryURL),
            ("/etc/nginx/nginx.conf", "\(stack.nginx.directory)/nginx.conf"),
            ("/etc/letsencrypt", "\(root)/etc/letsencrypt"), ("/etc/certctl", "\(root)/etc/certctl"),
            ("/var/lib/certctl", "\(root)/var/lib/certctl"), ("/var/www/certbot", stack.webroot),
            ("example.org:443", "127.0.0.1:\(stack.nginx.tlsPort)"),
            ("127.0.0.1:443", "127.0.0.1:\(stack.nginx.tlsPort)"),
            ("http://example.org/", "http://127.0.0.1:\(stack.nginx.httpPort)/"),
        ]
        for directory in ["bin", "home", "etc/letsencrypt", "var/lib"] {
            try FileManager.default.createDirectory(
                atPath: "\(root)/\(directory)", withIntermediateDirectories: true)
        }
        // What certctl ships is installed from where it is built.
        try FileManager.default.createSymbolicLink(
            atPath: "\(root)/hooks", withDestinationPath: "\(MarkdownPage.repository)/hooks")
        try addPrograms()
    }

    /// Runs a command of a page; what it prints to either stream is in the page's terms again.
    func run(_ command: String) async throws -> (status: Int32, printed: String) {
        // Under systemd, too, the pages are an operator's.
        let script = meanings.reduce("unset INVOCATION_ID; exec 2>&1\n" + command) {
            $0.replacing($1.shown, with: $1.real)
        }
        let path = environmentVariable("PATH") ?? "/usr/bin:/bin"
        let output = try await sh(
            "sh", ["-c", script],
            environment: [
                "PATH": "\(root)/bin:\(path)", "HOME": "\(root)/home", "TZ": "UTC", "LC_ALL": "C.UTF-8",
                "CERTCTL": Sandbox.certctl, "NO_COLOR": "1", "COLUMNS": "80",
            ], directory: root)
        return (output.status, meanings.reduce(output.stdout) { $0.replacing($1.real, with: $1.shown) })
    }

    /// Has nginx serve the page's lineages, once there is something to serve.
    func serve() async throws {
        var sites: [Nginx.Site] = []
        for name in ["example.org", "mail.example.org"] {
            let live = "\(root)/etc/letsencrypt/live/\(name)"
            guard FileManager.default.fileExists(atPath: "\(live)/fullchain.pem") else { continue }
            let names = name == "example.org" ? [name, "www.example.org"] : [name]
            sites.append((names: names, certificate: "\(live)/fullchain.pem", key: "\(live)/privkey.pem"))
        }
        // What a page does to nginx stays until there is another lineage to serve.
        let (known, names) = ("\(root)/served", sites.map(\.certificate).joined(separator: "\n"))
        guard names != contents(ofFile: known) ?? "" else { return }
        try names.write(toFile: known, atomically: true, encoding: .utf8)
        try await stack.nginx.serve(sites)
    }

    private func addPrograms() throws {
        let (tree, state) = (shellQuoted("\(root)/etc/letsencrypt"), shellQuoted("\(root)/var/lib/certctl"))
        let bundle = shellQuoted(stack.pebble.caBundle)
        try add(
            "certctl",
            """
            certctl=\(shellQuoted(Sandbox.certctl))
            command=${1-}
            case $command in
            status | renew | issue | deploy | rollback | repair | names | revoke | delete | history | doctor) shift ;;
            hooks)
                command="hooks $2"
                shift 2
                ;;
            *) exec "$certctl" "$@" ;;
            esac
            conf=\(shellQuoted("\(root)/etc/certctl/certctl.conf"))
            # doctor asks the rig's DNS; doctor and a renewal by force ask its port for http; systemd and Docker are the machine's.
            if [ "$command" = doctor ] || [ "$command" = renew ]; then
                mkdir -p "${conf%/*}"
                { cat "$conf" 2>/dev/null; echo "http_port = \(stack.nginx.httpPort)"; echo "timer = none"; } >"$conf-doctor"
                conf=$conf-doctor
                export DOCKER_HOST=ssh://elsewhere.example
            fi
            if [ "$command" = doctor ]; then set -- --resolver 127.0.0.1:\(stack.pebble.dnsPort) "$@"; fi
            [ ! -e "$conf" ] || set -- --config "$conf" "$@"
            case $command in
            issue) set -- --server \(shellQuoted(stack.pebble.directoryURL)) --ca-bundle \(bundle) "$@" ;;
            renew) set -- --ca-bundle \(bundle) "$@" ;;
            esac
            # shellcheck disable=SC2086 # hooks has two words
            exec "$certctl" $command --config-dir \(tree) --state-dir \(state) "$@"
            """)
        try add(
            "certbot",
            """
            PATH=${PATH#*:}
            export REQUESTS_CA_BUNDLE=\(bundle) XDG_CONFIG_HOME=\(shellQuoted("\(root)/home/.config"))
            case $1 in
            certonly) set -- "$@" --server \(shellQuoted(stack.pebble.directoryURL)) ;;
            renew) set -- "$@" --no-random-sleep-on-renew ;;
            esac
            exec certbot "$@" --non-interactive --config-dir \(tree) --work-dir \(shellQuoted("\(root)/work")) \\
                --logs-dir \(shellQuoted("\(root)/logs"))
            """)
        // Returns when the old workers are gone, so that the next command of the page sees the new ones.
        let nginx = stack.nginx
        try add(
            "nginx",
            """
            # The demo has an nginx of its own, which it ends by its pid.
            case " $* " in *" -p "*) PATH="${PATH#*:}:/usr/sbin"; exec nginx "$@" ;; esac
            old=$(cat /proc/\(nginx.daemon.pid)/task/\(nginx.daemon.pid)/children)
            here=\(shellQuoted(nginx.directory))
            PATH="${PATH#*:}:/usr/sbin" nginx -p "$here" -c "$here/nginx.conf" -e "$here/error.log" "$@" || exit
            [ "$*" = "-s reload" ] || exit 0
            for pid in $old; do
                while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
            done
            """)
        // As much of Docker as hooks/reload-nginx asks for, for the one container that pages know.
        try add(
            "docker",
            """
            case $* in
            "ps --all"*) echo 4f1c9e2d7a60 ;;
            *"ps --quiet --status running nginx") echo 4f1c9e2d7a60 ;;
            inspect*.Mounts*) echo 4f1c9e2d7a60 bind - \(tree) ;;
            inspect*.Labels*) echo nginx web ;;
            inspect*slice*) echo web-nginx-1 ;;
            inspect*State.Status*) echo running ;;
            inspect*State.Running*) echo true ;;
            top*) echo nginx: master process ;;
            "exec 4f1c9e2d7a60 nginx "*)
                shift 2
                exec "$@"
                ;;
            *" exec -T nginx nginx "*)
                while [ "$1" != nginx ]; do shift; done
                shift
                exec "$@"
                ;;
            *) exit 1 ;;
            esac
            """)
    }

    private func add(_ name: String, _ script: String) throws {
        let path = "\(root)/bin/\(name)"
        try "#!/bin/sh\n\(script)\n".write(toFile: path, atomically: true, encoding: .utf8)
        guard chmod(path, 0o755) == 0 else { throw RigError("\(path): the mode cannot be set") }
    }
}
