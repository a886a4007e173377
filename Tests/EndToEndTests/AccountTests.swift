import FoundationEssentials
import Glibc
import Rig
import Testing

/// `certctl account`, and certificates whose account is gone.
@Suite(.stack)
struct AccountTests {
    private func account(_ stack: Stack, _ command: String, _ arguments: String...) async throws -> Output {
        let certctl = Certctl(stack)
        let words =
            certctl.commandLine("account", ["--ca-bundle", stack.pebble.caBundle] + arguments, subcommand: [command])
            + ["--server", stack.pebble.directoryURL]
        return try await sh(words[0], Array(words.dropFirst()), environment: certctl.variables)
    }

    private func issue(_ stack: Stack, _ name: String) async throws -> Output {
        try await Certctl(stack).issue(
            "--server", stack.pebble.directoryURL, "--webroot", stack.webroot, "-d", name, "--agree-tos")
    }

    private func conf(_ stack: Stack, _ name: String) throws -> String {
        try String(decoding: Data(contentsOf: URL(filePath: "\(stack.tree)/renewal/\(name).conf")), as: UTF8.self)
    }

    @Test func `terms are shown before an account is made, and what is made is shown and changed`() async throws {
        try await Rig.withStack { stack in
            let terms = "data:text/plain,Do%20what%20thou%20wilt"
            let refused = try await account(stack, "register")
            #expect(refused.status == 1 && refused.stderr.contains(terms) && refused.stderr.contains("--agree-tos"))
            let made = try await account(stack, "register", "--agree-tos", "--email", "a@example.org, b@example.org")
            #expect(made.status == 0 && made.stdout.hasPrefix("made an account at"), "\(made.stderr)")
            #expect(made.stderr.contains(terms))
            let again = try await account(stack, "register")
            #expect(again.status == 0 && again.stdout.hasPrefix("there is an account at"), "\(again.stderr)")
            let shown = try await account(stack, "show")
            #expect(shown.status == 0, "\(shown.stderr)")
            for part in ["status      valid", "a@example.org, b@example.org", "ECDSA P-256", terms] {
                #expect(shown.stdout.contains(part), "\(shown.stdout)")
            }
            let thumbprint = try await account(stack, "thumbprint").stdout
            #expect(thumbprint.count == 44 && shown.stdout.contains(thumbprint.dropLast()))
            let updated = try await account(stack, "update", "--email", "c@example.org")
            #expect(updated.status == 0 && updated.stdout.contains("keeps c@example.org"), "\(updated)")
            #expect(try await account(stack, "update", "--email", "nobody").status == 64)
            #expect(try await account(stack, "update").status == 64)
            #expect(try await account(stack, "profiles").stdout.hasSuffix("offers no profiles\n"))
            let certctl = Certctl(stack)
            let list = try await sh(
                Certctl.path, ["account", "list", "--config-dir", stack.tree], environment: certctl.variables)
            #expect(list.status == 0 && list.stdout.contains(stack.pebble.directoryURL), "\(list)")
            #expect(list.stdout.contains("none"))
        }
    }

    private struct AccountsDocument: Decodable {
        struct Entry: Decodable {
            let server, id: String
            let url, madeAt, problem: String?
            let certificates: [String]
        }

        let schema: Int
        let accounts: [Entry]
    }

    private struct AccountDocument: Decodable {
        let schema: Int
        let server, id, url, keyType, thumbprint, status: String
        let contacts: [String]?
        let termsOfService: String?
    }

    private func document<Value: Decodable>(_ type: Value.Type, _ output: Output) throws -> Value {
        try JSONDecoder().decode(type, from: Data(output.stdout.utf8))
    }

    @Test func `accounts come as JSON, one document each`() async throws {
        try await Rig.withStack { stack in
            let certctl = Certctl(stack)
            let words = ["account", "list", "--config-dir", stack.tree, "--format", "json"]
            let none = try await sh(Certctl.path, words, environment: certctl.variables)
            #expect(try document(AccountsDocument.self, none).accounts.isEmpty, "\(none)")
            #expect(try await issue(stack, "a.example").status == 0)
            let list = try document(
                AccountsDocument.self, try await sh(Certctl.path, words, environment: certctl.variables))
            let entry = try #require(list.accounts.first)
            #expect(list.schema == 1 && list.accounts.count == 1 && entry.server == stack.pebble.directoryURL)
            #expect(entry.certificates == ["a.example"] && entry.problem == nil && entry.madeAt != nil)

            let shown = try document(AccountDocument.self, try await account(stack, "show", "--format", "json"))
            #expect(shown.schema == 1 && shown.id == entry.id && shown.url == entry.url && shown.status == "valid")
            #expect(shown.contacts == [] && shown.keyType.hasPrefix("RSA") && shown.termsOfService != nil)
            let thumbprint = try await account(stack, "thumbprint").stdout
            #expect(shown.thumbprint + "\n" == thumbprint)
            let profiles = try await account(stack, "profiles", "--format", "json")
            #expect(profiles.stdout.contains("\"profiles\" : [") && profiles.stdout.contains("\"schema\" : 1"))

            #expect(try await account(stack, "deactivate", "--yes").status == 0)
            let files = "\(stack.tree)/accounts"
            #expect(try await check("find", [files, "-name", "regr.json"]).isEmpty)
            #expect(try await account(stack, "show", "--format", "json").status == 1)
        }
    }

    @Test func `after an account was deactivated, register and renew end it`() async throws {
        try await Rig.withStack { stack in
            #expect(try await issue(stack, "a.example").status == 0)
            let before = try conf(stack, "a.example")
            #expect(try await account(stack, "deactivate").status == 64)
            let ended = try await account(stack, "deactivate", "--yes")
            #expect(ended.status == 0 && ended.stdout.contains("a.example cannot be renewed"), "\(ended)")
            let failed = try await Certctl(stack).renew("--force", "--yes", "a.example")
            #expect(failed.status == 1, "\(failed.stderr)")
            let made = try await account(stack, "register", "--agree-tos")
            #expect(made.status == 0 && made.stdout.contains("it is the account of a.example now"), "\(made)")
            let after = try conf(stack, "a.example")
            func others(_ text: String) -> [Substring] {
                text.split(separator: "\n").filter { !$0.hasPrefix("account = ") }
            }
            #expect(before != after && others(before) == others(after))
            let renewed = try await Certctl(stack).renew("--force", "--yes", "a.example")
            #expect(renewed.status == 0, "\(renewed.stderr)")
            #expect(try await Certctl(stack).lineage("a.example").version == 2)
        }
    }

    @Test func `an account that the CA has deactivated is named, and replaced`() async throws {
        try await Rig.withStack { stack in
            #expect(try await issue(stack, "a.example").status == 0)
            // As somebody else would who has the key: the files stay.
            try await check("cp", ["-a", "\(stack.tree)/accounts", "\(stack.directory)/accounts"])
            #expect(try await account(stack, "deactivate", "--yes").status == 0)
            try await check("rm", ["-r", "\(stack.tree)/accounts"])
            try await check("cp", ["-a", "\(stack.directory)/accounts", "\(stack.tree)/accounts"])
            let failed = try await Certctl(stack).renew("--force", "--yes", "a.example")
            #expect(failed.status == 1 && failed.stderr.contains("is deactivated at the CA"), "\(failed.stderr)")
            #expect(failed.stderr.contains("certctl account register"))
            let shown = try await account(stack, "show")
            #expect(shown.status == 1 && shown.stdout.contains("status      deactivated"), "\(shown)")
            let made = try await account(stack, "register", "--agree-tos")
            #expect(made.status == 0 && made.stdout.contains("does not take"), "\(made)")
            #expect(try await Certctl(stack).renew("--force", "--yes", "a.example").status == 0)
        }
    }

    @Test func `an account that the CA has forgotten is made again with its key, and no conf changes`() async throws {
        try await Rig.withStack { stack in
            #expect(try await issue(stack, "a.example").status == 0)
            let before = try conf(stack, "a.example")
            // What a CA does that has lost its database.
            let place = stack.pebble.directoryURL.replacing("https://", with: "")
            let ids = try FileManager.default.contentsOfDirectory(atPath: "\(stack.tree)/accounts/\(place)")
            let file = "\(stack.tree)/accounts/\(place)/\(try #require(ids.first))/regr.json"
            try #"{"body": {}, "uri": "\#(stack.pebble.directoryURL.replacing("/dir", with: "/my-account/dead"))"}"#
                .write(toFile: file, atomically: true, encoding: .utf8)
            let failed = try await Certctl(stack).renew("--force", "--yes", "a.example")
            #expect(failed.status == 1 && failed.stderr.contains("does not know the account"), "\(failed.stderr)")
            let made = try await account(stack, "register", "--agree-tos")
            #expect(made.status == 0 && made.stdout.contains("made an account"), "\(made)")
            #expect(try conf(stack, "a.example") == before)
            #expect(try await Certctl(stack).renew("--force", "--yes", "a.example").status == 0)
        }
    }

    @Test func `a customer's key comes from a file, and a bad one is said to be`() async throws {
        var options = Pebble.Options()
        let secret = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
        options.externalAccountKeys = ["kid-1": secret]
        try await Rig.withStack(options) { stack in
            let file = "\(stack.directory)/eab"
            try "\(secret)\n".write(toFile: file, atomically: true, encoding: .utf8)
            let without = try await account(stack, "register", "--agree-tos")
            #expect(without.status == 1 && without.stderr.contains("--eab-kid"), "\(without)")
            #expect(try await account(stack, "register", "--agree-tos", "--eab-kid", "kid-1").status == 64)
            let made = try await account(
                stack, "register", "--agree-tos", "--eab-kid", "kid-1", "--eab-hmac-key-file", file, "--verbose")
            #expect(made.status == 0, "\(made.stderr)")
            #expect(!made.stderr.contains(secret) && !made.stdout.contains(secret))
            #expect(try await sh("grep", ["-r", secret, stack.tree]).status == 1)
            try "not base64url!".write(toFile: file, atomically: true, encoding: .utf8)
            let bad = try await account(
                stack, "register", "--eab-kid", "kid-1", "--eab-hmac-key-file", file)
            #expect(bad.status == 1 && bad.stderr.contains("holds no HMAC key"), "\(bad)")
        }
    }
}
