import FoundationEssentials
import Rig
import Testing

/// notify-webhook against a web service on loopback.
@Suite(.parts("python3", "curl", "setpriv"))
struct NotifyWebhookTests {
    @Test func `a failure is told with all that is known`() async throws {
        try await withService { service in
            let output = try await service.notify(
                from: "failure",
                [
                    "CERTCTL_LINEAGE": "example.com", "CERTCTL_STAGE": "installed", "CERTCTL_CONSECUTIVE_FAILURES": "3",
                    "CERTCTL_ERROR": "nginx -t: \"x\" \\ is\nnot\ta\u{1}directive, café 😀",
                ])
            #expect(output.status == 0 && output.stderr == "" && output.stdout == "", "\(output)")
            let request = try #require(service.requests().first)
            #expect(request.method == "POST" && request.path == "/hook?secret=s3cr\"e\\t")
            #expect(request.headers["content-type"] == "application/json")
            let note = try request.note()
            #expect(note.event == "failure" && note.lineage == "example.com" && note.stage == "installed")
            #expect(note.consecutiveFailures == 3)
            #expect(note.error == "nginx -t: \"x\" \\ is\nnot\ta\u{1}directive, café 😀")
            #expect(
                note.text.hasPrefix("certctl on \(note.host): example.com failed (it is installed) after 3 attempts: "))
            #expect(!note.host.isEmpty)
            let form = try Regex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
            #expect(note.time.wholeMatch(of: form) != nil)
        }
    }

    @Test func `a recovery is told from its own directory, and what is not known is null`() async throws {
        try await withService { service in
            #expect(try await service.notify(from: "recovered", ["CERTCTL_LINEAGE": "a.example"]).status == 0)
            let note = try #require(service.requests().first).note()
            #expect(note.event == "recovered" && note.text == "certctl on \(note.host): a.example recovered")
            #expect(note.error == nil && note.stage == nil && note.consecutiveFailures == nil)
        }
    }

    @Test func `an event in the environment comes before the directory`() async throws {
        try await withService { service in
            _ = try await service.notify(from: "failure", ["CERTCTL_EVENT": "expiry", "CERTCTL_LINEAGE": "a.example"])
            let note = try #require(service.requests().first).note()
            #expect(note.event == "expiry" && note.text.hasSuffix("a.example is about to expire"))
        }
    }

    @Test func `without an event nothing is sent`() async throws {
        try await withService { service in
            let output = try await service.notify(from: "deploy", [:])
            #expect(output.status == 1 && output.stderr.contains("which event is it?"))
            #expect(service.requests().isEmpty)
        }
    }

    @Test func `bytes that are not UTF-8 become replacement characters`() async throws {
        try await withService { service in
            let hook = try service.hook("failure")
            // A longer spelling, half of a surrogate pair, a cut sequence, beyond Unicode, single bytes.
            let bytes = "a\\300\\200b\\355\\240\\200c\\342\\202d\\364\\220\\200\\200e\\377\\200"
            let script = "CERTCTL_ERROR=$(printf '\(bytes)') exec \"$1\""
            let output = try await sh("sh", ["-c", script, "sh", hook.path], environment: service.environment)
            #expect(output.status == 0, "\(output)")
            let note = try #require(service.requests().first).note()
            let bad = "\u{FFFD}"
            #expect(note.error == "a\(bad)\(bad)b\(bad)\(bad)\(bad)c\(bad)\(bad)d\(bad)\(bad)\(bad)\(bad)e\(bad)\(bad)")
        }
    }

    @Test func `headers come from a file`() async throws {
        try await withService(headers: "Authorization: Bearer t0ken\n") { service in
            #expect(try await service.notify(from: "failure", [:]).status == 0)
            let request = try #require(service.requests().first)
            #expect(request.headers["authorization"] == "Bearer t0ken")
        }
    }

    @Test func `a service that is in trouble is asked again`() async throws {
        try await withService(answers: [503, 200]) { service in
            let output = try await service.notify(from: "failure", ["CERTCTL_LINEAGE": "a.example"])
            #expect(output.status == 0, "\(output)")
            let requests = service.requests()
            #expect(requests.count == 2 && requests[0].body == requests[1].body)
        }
    }

    @Test func `a refusal is a failure that does not show the URL`() async throws {
        try await withService(answers: [403]) { service in
            let output = try await service.notify(from: "failure", ["CERTCTL_LINEAGE": "a.example"])
            #expect(output.status == 1)
            #expect(output.stderr.contains("403"))
            #expect(output.stderr.contains("notify-webhook: the failure of a.example was not delivered"))
            #expect(!output.stderr.contains("s3cr"))
            #expect(service.requests().count == 1)
        }
    }

    @Test func `the process list never shows the URL or the headers`() async throws {
        try await withService(headers: "Authorization: Bearer t0ken\n", holds: true) { service in
            async let output = service.notify(from: "failure", ["CERTCTL_LINEAGE": "a.example"])
            let deadline = ContinuousClock.now + .seconds(180)
            while service.requests().isEmpty && ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(10))
            }
            let processes = try await check("sh", ["-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' || :"])
            #expect(processes.contains("curl --disable --config -"))
            #expect(!processes.contains("s3cr") && !processes.contains("t0ken"))
            try write("", to: "\(service.directory)/go")
            #expect(try await output.status == 0)
        }
    }

    @Test(
        arguments: [
            ("", "there is no url"), ("url = ftp://x/\n", "there is no url"), ("uri = https://x/\n", "no setting uri"),
            ("https://x/\n", "line 1 is not \"key = value\""),
            ("url = https://x/\nheaders_file = /no/such/file\n", "/no/such/file: cannot be read"),
        ])
    func `settings that cannot be meant are errors`(settings: String, sentence: String) async throws {
        try await TemporaryDirectory.with { directory in
            try write(settings, to: "\(directory)/settings.conf")
            let output = try await ShippedHook("notify-webhook").run([
                "CERTCTL_NOTIFY_WEBHOOK_CONF": "\(directory)/settings.conf", "CERTCTL_EVENT": "failure",
            ])
            #expect(output.status == 1 && output.stderr.contains(sentence), "\(output)")
        }
    }

    @Test func `settings that are missing are an error that says what to write`() async throws {
        let output = try await ShippedHook("notify-webhook").run(["CERTCTL_NOTIFY_WEBHOOK_CONF": "/no/such/file"])
        #expect(output.status == 1)
        #expect(output.stderr == "notify-webhook: /no/such/file: cannot be read; it has to say \"url = https://...\"\n")
    }
}
