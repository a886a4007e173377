import FoundationEssentials
import Rig
import Testing

private let names = ["example.com", "www.example.com"]

/// reload-nginx against the example stack in a real engine.
@Suite(.docker)
struct ReloadContainerTests {
    @Test func `the container that mounts the tree serves the new certificate, however the hook is told the tree`()
        async throws
    {
        try await Rig.withDockerStack { stack in
            let before = try await placeSelfSigned(names, inTree: stack.tree)
            try await stack.serveHTTPS()
            #expect(try await stack.servedSerial(name: "example.com") == before)
            let settings = try noSettings(in: stack.directory)

            let first = try await placeSelfSigned(names, inTree: stack.tree)
            let told = ["RENEWED_LINEAGE": "\(stack.tree)/live/example.com", "RENEWED_DOMAINS": "example.com"]
            let deploy = try await ShippedHook("reload-nginx").run(
                stack.hookEnvironment.merging(told) { $1 }.merging(settings) { $1 })
            #expect(deploy.status == 0, "\(deploy)")
            #expect(deploy.stdout == "reload-nginx: container \(stack.project)-nginx-1: nginx reloaded\n")
            try await stack.waitServed(first, name: "example.com")

            let second = try await placeSelfSigned(names, inTree: stack.tree)
            let post = try await ShippedHook("reload-nginx", installedIn: "\(stack.tree)/renewal-hooks/post").run(
                stack.hookEnvironment.merging(settings) { $1 })
            #expect(post.status == 0, "\(post)")
            try await stack.waitServed(second, name: "www.example.com")

            let third = try await placeSelfSigned(names, inTree: stack.tree)
            let link = "\(stack.directory)/link"
            _ = try await check("ln", ["-s", stack.tree, link])
            let configured = try await ShippedHook("reload-nginx").run(
                stack.hookEnvironment.merging(["CERTCTL_CONFIG_DIR": link + "/"]) { $1 }.merging(settings) { $1 })
            #expect(configured.status == 0, "\(configured)")
            try await stack.waitServed(third, name: "www.example.com")
        }
    }

    @Test func `a configuration that nginx refuses is shown, and the old certificate stays served`() async throws {
        try await Rig.withDockerStack { stack in
            let before = try await placeSelfSigned(names, inTree: stack.tree)
            try await stack.serveHTTPS()
            let good = try #require(contents(ofFile: stack.productionConf))
            try write(good + "\nno_such_directive on;\n", to: stack.productionConf)
            let after = try await placeSelfSigned(names, inTree: stack.tree)
            let output = try await reload(stack)
            #expect(output.status == 1)
            #expect(output.stderr.contains("container \(stack.project)-nginx-1: nginx -t fails"))
            #expect(output.stderr.contains("unknown directive \"no_such_directive\""))
            #expect(output.stdout == "")
            #expect(try await stack.servedSerial(name: "example.com") == before)
            let logs = try await stack.logs()
            #expect(!logs.contains("reconfiguring"), "it was not even asked to reload")

            let checker = try ShippedHook("reload-nginx", installedIn: "\(stack.tree)/renewal-hooks/check")
            let environment = stack.hookEnvironment.merging(try noSettings(in: stack.directory)) { $1 }
            let refused = try await checker.run(environment)
            #expect(refused.status == 1)
            #expect(refused.stderr.contains("nginx -t fails:\n"), "\(refused.stderr)")

            try write(good, to: stack.productionConf)
            let passed = try await checker.run(environment)
            #expect(passed.status == 0, "\(passed)")
            #expect(passed.stdout == "reload-nginx: container \(stack.project)-nginx-1: nginx -t passes\n")
            #expect(try await stack.servedSerial(name: "example.com") == before, "a check reloads nothing")
            #expect(try await reload(stack).status == 0)
            try await stack.waitServed(after, name: "example.com")
        }
    }

    @Test func `a stopped container is named, and is reloaded when it runs again`() async throws {
        try await Rig.withDockerStack { stack in
            _ = try await placeSelfSigned(names, inTree: stack.tree)
            try await stack.serveHTTPS()
            try await stack.stop()
            // In a pid name space of its own, so that no other test's nginx is the host's.
            let isolated = ["unshare", "--pid", "--fork", "--mount-proc"]
            let stopped = try await reload(stack, prefix: isolated)
            #expect(stopped.status == 1)
            #expect(
                stopped.stderr == """
                    reload-nginx: no nginx found to reload: no running container mounts \(stack.tree) and runs nginx \
                    (these mount it: \(stack.project)-nginx-1 (exited)), and no nginx runs on the host

                    """)
            try await stack.start()
            let started = try await reload(stack, prefix: isolated)
            #expect(started.status == 0, "\(started)")
        }
    }

    @Test func `settings name the compose file, the service or the container`() async throws {
        try await Rig.withDockerStack { stack in
            _ = try await placeSelfSigned(names, inTree: stack.tree)
            try await stack.serveHTTPS()
            let (file, project) = (stack.composeFile, stack.project)
            for settings in [
                "compose_file = \(file)\nproject = \(project)\n",
                "# a comment\r\ncompose_file=\"\(file)\"\r\nservice = nginx\r\nproject = '\(project)'\r\n",
                "compose_file = \(file)\nproject = \(project)\nproject_directory = \(stack.example)",
                "service = nginx\n", "service = other nginx\nproject = \(project)\n",
                "container = \(project)-nginx-1\n", "container = \(try #require(try await stack.container()))\n",
            ] {
                let output = try await reload(stack, settings: settings)
                #expect(output.status == 0 && output.stderr == "", "\(settings)\n\(output)")
                #expect(output.stdout == "reload-nginx: container \(project)-nginx-1: nginx reloaded\n")
            }
            for (settings, sentence) in [
                ("compose_file = \(file)\nproject = no-such-project\n", "service nginx does not run"),
                ("compose_file = \(file)\nproject = \(project)\nservice = web\n", "no such service: web"),
                ("compose_file = /no/such/file.yml\n", "/no/such/file.yml: docker compose ps nginx fails:"),
                ("service = web\n", "no running container of service web mounts"),
                ("container = no-such-container\n", "container no-such-container cannot be looked at:"),
            ] {
                let output = try await reload(stack, settings: settings)
                #expect(output.status == 1, "\(settings)\n\(output)")
                #expect(output.stderr.contains(sentence), "\(settings)\n\(output)")
                #expect(output.stdout == "")
            }
        }
    }

    @Test func `a compose file that only the deploy shell can fill in matters only if it is set`() async throws {
        try await Rig.withDockerStack { stack in
            _ = try await placeSelfSigned(names, inTree: stack.tree)
            try await stack.serveHTTPS()
            let text = try #require(contents(ofFile: stack.composeFile))
            try write(
                text.replacing("${NGINX_IMAGE:-nginx:1.28}", with: "${RELEASE:?only the deploy shell knows it}"),
                to: stack.composeFile)
            // The stack itself needs the file to the end.
            defer { try? write(text, to: stack.composeFile) }
            let found = try await reload(stack)
            #expect(found.status == 0, "\(found)")
            let set = try await reload(
                stack, settings: "compose_file = \(stack.composeFile)\nproject = \(stack.project)\n")
            #expect(set.status == 1)
            #expect(set.stderr.contains("only the deploy shell knows it"))
        }
    }
}

/// reload-nginx against single containers, which mount a tree in every way.
@Suite(.docker)
struct ReloadMountTests {
    @Test func `every container that can see certificates of the tree is reloaded, and no other`() async throws {
        try await withContainers { engine, directory, prefix in
            let tree = "\(directory)/letsencrypt"
            let store = "\(directory)/store"
            for path in ["\(tree)/live/a.example", "\(store)/archive", "\(tree)-other", "\(tree)/accounts"] {
                _ = try await check("mkdir", ["-p", path])
            }
            _ = try await check("ln", ["-s", "\(store)/archive", "\(tree)/archive"])
            _ = try await check("ln", ["-s", tree, "\(directory)/link"])
            let device = ["--driver", "local", "--opt", "type=none", "--opt", "o=bind", "--opt", "device=\(tree)"]
            try await demand(engine.docker(["volume", "create"] + device + ["\(prefix)-volume"]))
            try await demand(engine.docker(["volume", "create", "\(prefix)-unrelated"]))

            let seeing = [
                "tree": tree, "parent": directory, "live": "\(tree)/live", "lineage": "\(tree)/live/a.example",
                "link": "\(directory)/link", "store": store, "volume": "\(prefix)-volume",
            ]
            let blind = ["other": "\(tree)-other", "accounts": "\(tree)/accounts", "unrelated": "\(prefix)-unrelated"]
            for (name, source) in seeing.merging(blind, uniquingKeysWith: { $1 }) {
                try await demand(
                    engine.docker(
                        ["run", "--detach", "--network", "host", "--name", "\(prefix)-\(name)"]
                            + ["--volume", "\(source):/certificates:ro", DockerEngine.image]))
            }
            // Has an nginx that does not run, and mounts the tree.
            try await demand(
                engine.docker(
                    ["run", "--detach", "--network", "host", "--name", "\(prefix)-idle"]
                        + ["--volume", "\(tree):/certificates:ro", DockerEngine.image, "sleep", "86400"]))
            for name in seeing.keys { try await waitForNginx(engine, "\(prefix)-\(name)") }

            let environment = engine.environment.merging(try noSettings(in: directory)) { $1 }
            let output = try await ShippedHook("reload-nginx").run(
                environment.merging(["RENEWED_LINEAGE": "\(tree)/live/a.example"]) { $1 })
            #expect(output.status == 0 && output.stderr == "", "\(output)")
            let expected = seeing.keys.map { "reload-nginx: container \(prefix)-\($0): nginx reloaded" }
            #expect(output.stdout.split(separator: "\n").sorted() == expected.sorted().map { Substring($0) })
        }
    }

    @Test func `a note says that a file mounted singly stays the old one`() async throws {
        try await withContainers { engine, directory, prefix in
            let tree = "\(directory)/letsencrypt"
            _ = try await placeSelfSigned(["a.example"], inTree: tree)
            let file = "\(tree)/live/a.example/fullchain.pem"
            try await demand(
                engine.docker(
                    ["run", "--detach", "--network", "host", "--name", "\(prefix)-file"]
                        + ["--volume", "\(file):/fullchain.pem:ro", DockerEngine.image]))
            try await waitForNginx(engine, "\(prefix)-file")
            let output = try await ShippedHook("reload-nginx").run(
                engine.environment.merging(try noSettings(in: directory)) { $1 }
                    .merging(["CERTCTL_CONFIG_DIR": tree]) { $1 })
            #expect(output.status == 0, "\(output)")
            #expect(output.stderr.contains("a container mounts the single file \(file) and keeps the old one"))
        }
    }

    /// Runs `body` with a prefix for names of containers and volumes, and removes what is called so.
    private func withContainers(_ body: (DockerEngine, String, String) async throws -> Void) async throws {
        let engine = try await DockerEngine.shared()
        let prefix = "mounts-\(UInt32.random(in: 0 ... .max))"
        try await TemporaryDirectory.with { directory in
            let outcome: Result<Void, any Error>
            do {
                outcome = .success(try await body(engine, directory, prefix))
            } catch {
                outcome = .failure(error)
            }
            let filter = ["--quiet", "--filter", "name=\(prefix)"]
            for id in try await engine.docker(["ps", "--all"] + filter).stdout.split(separator: "\n") {
                _ = try await engine.docker(["rm", "--force", "--volumes", String(id)])
            }
            for name in try await engine.docker(["volume", "ls"] + filter).stdout.split(separator: "\n") {
                _ = try await engine.docker(["volume", "rm", "--force", String(name)])
            }
            try outcome.get()
        }
    }

    private func waitForNginx(_ engine: DockerEngine, _ container: String) async throws {
        let deadline = ContinuousClock.now + .seconds(180)
        while try await !engine.docker(["logs", container]).stderr.contains("start worker process ") {
            guard ContinuousClock.now < deadline else { throw RigError("\(container): nginx does not start") }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    private func demand(_ output: Output) async throws {
        guard output.status == 0 else { throw RigError(output.stderr) }
    }
}

/// Runs the hook for the stack's tree.
private func reload(_ stack: DockerStack, settings: String = "", prefix: [String] = []) async throws -> Output {
    let file = "\(stack.directory)/settings-\(UInt32.random(in: 0 ... .max)).conf"
    try write(settings, to: file)
    return try await ShippedHook("reload-nginx").run(
        stack.hookEnvironment.merging(["CERTCTL_RELOAD_NGINX_CONF": file, "CERTCTL_CONFIG_DIR": stack.tree]) { $1 },
        prefix: prefix)
}

/// Keeps the settings of the machine, if there are any, from having a say.
func noSettings(in directory: String) throws -> [String: String] {
    let file = "\(directory)/no-settings.conf"
    try write("", to: file)
    return ["CERTCTL_RELOAD_NGINX_CONF": file]
}
