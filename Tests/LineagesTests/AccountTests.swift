import FoundationEssentials
import Lineages
import PKI
import Rig
import Testing

struct AccountTests {
    private let server = "https://ca.example:14000/acme/dir"

    private func withStore(_ body: (AccountStore, String) async throws -> Void) async throws {
        try await TemporaryDirectory.with { try await body(AccountStore(configDirectory: $0), $0) }
    }

    private func save(_ store: AccountStore, _ type: KeyType = .ec(.p256), server: String? = nil) throws
        -> StoredAccount
    {
        try store.save(
            key: PrivateKey(generating: type), url: "https://ca.example/acct/1", server: server ?? self.server,
            creationDate: "2026-11-23T00:00:00Z", host: "here")
    }

    @Test(arguments: [KeyType.ec(.p256), .ec(.p384), .rsa(bits: 2048)])
    func `an account that was saved is loaded again, and only its owner may look at it`(type: KeyType) async throws {
        try await withStore { store, directory in
            let saved = try save(store, type)
            let loaded = try #require(try store.account(for: server, id: nil))
            #expect(loaded.id == saved.id && loaded.url == "https://ca.example/acct/1")
            #expect(try loaded.key.pem() == saved.key.pem())
            #expect(try store.account(for: server, id: saved.id)?.id == saved.id)
            let account = "\(directory)/accounts/ca.example:14000/acme/dir/\(saved.id)"
            #expect(try FileSystem.entries(of: account) == ["meta.json", "private_key.json", "regr.json"])
            for path in [account, "\(directory)/accounts", "\(directory)/accounts/ca.example:14000"] {
                #expect(try FileSystem.status(path)?.mode == 0o700)
            }
            #expect(try FileSystem.status("\(account)/private_key.json")?.mode == 0o400)
            #expect(try text("\(account)/regr.json") == #"{"body":{},"uri":"https://ca.example/acct/1"}"#)
        }
    }

    @Test func `two accounts are ambiguous without an id`() async throws {
        try await withStore { store, _ in
            #expect(try store.account(for: server, id: nil) == nil)
            let ids = try [save(store).id, save(store).id].sorted()
            #expect(try store.ids(for: server) == ids)
            #expect(throws: AccountError.self) { try store.account(for: server, id: nil) }
            #expect(try store.account(for: server, id: ids[1])?.id == ids[1])
        }
    }

    @Test func `an account with a file missing does not count, and is an error that names the file when it is meant`()
        async throws
    {
        try await withStore { store, directory in
            let (whole, half) = (try save(store), try save(store))
            try FileSystem.remove("\(directory)/accounts/ca.example:14000/acme/dir/\(half.id)/regr.json")
            #expect(try store.account(for: server, id: nil)?.id == whole.id)
            let error = #expect(throws: AccountError.self) { try store.account(for: server, id: half.id) }
            #expect(error?.description.contains("\(half.id)/regr.json: ") == true)
            let missing = #expect(throws: AccountError.self) { try store.account(for: server, id: "0123") }
            #expect(missing?.description == "account 0123 is not in \(directory)/accounts/ca.example:14000/acme/dir")
        }
    }

    @Test func `damaged files are errors that hold no secret`() async throws {
        try await withStore { store, directory in
            let account = try save(store)
            let key = "\(directory)/accounts/ca.example:14000/acme/dir/\(account.id)/private_key.json"
            for damaged in ["", "{}", #"{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"c2VjcmV0"}"#, "[1]", "\u{1}"] {
                try FileSystem.remove(key)
                try write(key, damaged)
                let error = try #require(throws: AccountError.self) { try store.account(for: server, id: nil) }
                #expect("\(error)".hasPrefix("\(key): ") && !"\(error)".contains("c2VjcmV0"))
            }
        }
    }

    @Test(.enabled(if: isRoot, "needs root"))
    func `accounts that may not be read are not the same as none`() async throws {
        try await withStore { store, _ in
            _ = try save(store)
            let server = server
            try await asNobody {
                #expect(throws: AccountError.self) { try store.account(for: server, id: nil) }
                #expect(throws: AccountError.self) { try store.ids(for: server) }
            }
        }
    }

    @Test(arguments: [
        "https://../../etc", "https://ca.example/../../etc", "https://ca.example/./x", "https://",
        "http://ca.example/dir",
        "https://ca.example/dir?x=../..", "ca.example", "", "https://.", "https:///dir",
    ])
    func `a server that is no https URL, or would lead out of the tree, is refused`(server: String) async throws {
        try await withStore { store, directory in
            #expect(throws: AccountError.self) { try store.directory(for: server) }
            #expect(throws: (any Error).self) { try save(store, server: server) }
            let entries = try FileSystem.entries(of: directory)
            #expect(entries.isEmpty)
        }
    }

    @Test(arguments: ["..", ".", "", "../x", "/etc", "a/b", "a\0b"])
    func `an id that would lead out of the server's directory is missing`(id: String) async throws {
        try await withStore { store, _ in
            _ = try save(store)
            #expect(throws: AccountError.self) { try store.account(for: server, id: id) }
        }
    }

    @Test(arguments: [("", ""), ("-staging", "-staging")])
    func `accounts of the ACMEv1 server are reused, by certbot's link or without it`(v02: String, v01: String)
        async throws
    {
        try await withStore { store, directory in
            let old = v01.isEmpty ? "acme-v01.api.letsencrypt.org" : "acme-staging.api.letsencrypt.org"
            let new = v02.isEmpty ? "acme-v02.api.letsencrypt.org" : "acme-staging-v02.api.letsencrypt.org"
            let account = try save(store, server: "https://\(old)/directory")
            let server = "https://\(new)/directory"
            #expect(try store.account(for: server, id: nil)?.id == account.id)
            #expect(try store.account(for: server, id: account.id)?.id == account.id)
            #expect(try store.ids(for: server) == [account.id])
            try FileSystem.makeDirectories("\(directory)/accounts/\(new)", mode: 0o700)
            try FileSystem.makeLink(
                "\(directory)/accounts/\(new)/directory", to: "\(directory)/accounts/\(old)/directory")
            #expect(try store.account(for: server, id: nil)?.id == account.id)
            let second = try save(store, server: server)
            #expect(try store.ids(for: server).sorted() == [account.id, second.id].sorted())
        }
    }
}
