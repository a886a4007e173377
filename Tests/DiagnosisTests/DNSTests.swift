import Testing

@testable import Challenges
@testable import Diagnosis

struct DNSTests {
    @Test func `a question is spelled as RFC 1035 has it`() throws {
        let query = try #require(DNSMessage.query("a.example", .caa, id: 0x1234))
        #expect(Array(query[..<12]) == [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1])
        #expect(Array(query[12..<27]) == [1] + Array("a".utf8) + [7] + Array("example".utf8) + [0, 1, 1, 0, 1])
        #expect(DNSMessage.query(String(repeating: "a", count: 64) + ".example", .a, id: 1) == nil)
        #expect(DNSMessage.query("", .a, id: 1) == nil)
    }

    /// A response with one question, and answers whose names point to it.
    private func response(_ records: [(type: UInt16, data: [UInt8])], flags: [UInt8] = [0x81, 0x80]) -> [UInt8] {
        var bytes: [UInt8] = [0, 7] + flags + [0, 1, 0, UInt8(records.count), 0, 0, 0, 0]
        bytes += [1] + Array("a".utf8) + [0, 0, 1, 0, 1]
        for record in records {
            bytes += [0xC0, 12, UInt8(record.type >> 8), UInt8(record.type & 255), 0, 1, 0, 0, 0, 60]
            bytes += [UInt8(record.data.count >> 8), UInt8(record.data.count & 255)] + record.data
        }
        return bytes
    }

    @Test func `answers are read, compressed names passed over`() throws {
        let answer = try #require(DNSMessage.answer(response([(1, [192, 0, 2, 1]), (5, [0xC0, 12])]), to: 7))
        #expect(answer.code == 0 && !answer.isTruncated && answer.records.map(\.type) == [1, 5])
        #expect(DNSMessage.answer(response([], flags: [0x83, 0x83]), to: 7)?.isTruncated == true)
        #expect(DNSMessage.answer(response([], flags: [0x81, 0x83]), to: 7)?.code == 3)
    }

    @Test func `what is cut short, or is another's answer, is none`() {
        let whole = response([(1, [192, 0, 2, 1])])
        for length in 0..<whole.count { #expect(DNSMessage.answer(Array(whole.prefix(length)), to: 7) == nil) }
        #expect(DNSMessage.answer(whole, to: 8) == nil)
        // A question is no answer.
        #expect(DNSMessage.answer(response([], flags: [0x01, 0]), to: 7) == nil)
    }

    @Test(arguments: [
        ("9.9.9.9", "9.9.9.9"), ("127.0.0.1:5353", "127.0.0.1:5353"), ("::1", "::1"), ("[::1]:5353", "[::1]:5353"),
        ("[::1]", "::1"), ("9.9.9.9:443", "9.9.9.9:443"),
    ])
    func `a server is an address, with a port or 53`(text: String, description: String) {
        #expect(DNSServer(text)?.description == description)
    }

    @Test(arguments: ["", "dns.example", "1.2.3", "9.9.9.9:0"])
    func `anything else is no server`(text: String) { #expect(DNSServer(text) == nil) }

    @Test func `the system's server is the first of resolv.conf`() {
        #expect(
            DNSServer.ofSystem("# none\nsearch a\nnameserver\t10.0.0.2\nnameserver 1.1.1.1\n")?.description
                == "10.0.0.2")
        #expect(DNSServer.ofSystem("nameserver ::1")?.description == "::1")
        #expect(DNSServer.ofSystem("options x\n") == nil)
    }
}

struct CAATests {
    private func record(_ flags: UInt8, _ tag: String, _ value: String) -> DNSMessage.Record {
        DNSMessage.Record(type: 257, data: [flags, UInt8(tag.utf8.count)] + Array(tag.utf8) + Array(value.utf8))
    }

    private func refusal(_ records: [DNSMessage.Record], account: String? = nil, isWildcard: Bool = false) throws
        -> String?
    {
        let policy = CAAPolicy.policy(of: "www.example.org") { name in
            DNSMessage.Answer(code: 0, isTruncated: false, records: name == "example.org" ? records : [])
        }
        return policy?.refusal(for: ["letsencrypt.org"], account: account, isWildcard: isWildcard)
    }

    @Test func `the records of the nearest name above count, and without any every CA may`() throws {
        #expect(try refusal([]) == nil)
        #expect(try refusal([record(0, "issue", "letsencrypt.org")]) == nil)
        #expect(try refusal([record(0, "ISSUE", " LetsEncrypt.org ; policy=x")]) == nil)
        #expect(try refusal([record(0, "iodef", "mailto:a@example.org")]) == nil)
        #expect(try refusal([record(0, "issue", "other.example"), record(0, "issue", "letsencrypt.org")]) == nil)
        #expect(try refusal([record(0, "issue", "other.example")])?.contains("other.example") == true)
        #expect(try refusal([record(0, "issue", ";")])?.contains("example.org") == true)
    }

    @Test func `a critical property that nobody knows forbids`() throws {
        #expect(try refusal([record(128, "tbs", "x"), record(0, "issue", "letsencrypt.org")])?.contains("tbs") == true)
        #expect(try refusal([record(0, "tbs", "x")]) == nil)
    }

    @Test func `issuewild counts for wildcards alone`() throws {
        let records = [record(0, "issuewild", ";"), record(0, "issue", "letsencrypt.org")]
        #expect(try refusal(records) == nil)
        #expect(try refusal(records, isWildcard: true) != nil)
    }

    @Test func `accounturi and validationmethods bind`() throws {
        let (mine, other) = ("https://ca.example/acct/1", "https://ca.example/acct/2")
        #expect(try refusal([record(0, "issue", "letsencrypt.org; accounturi=\(mine)")], account: mine) == nil)
        #expect(try refusal([record(0, "issue", "letsencrypt.org; accounturi=\(mine)")], account: other) != nil)
        #expect(try refusal([record(0, "issue", "letsencrypt.org;validationmethods=http-01,dns-01")]) == nil)
        #expect(
            try refusal([record(0, "issue", "letsencrypt.org; validationmethods=dns-01")])?.contains("http-01") == true)
    }

    @Test func `a name server that fails ends the climb with its failure`() {
        #expect(throws: DNSServer.Failure.self) {
            _ = try CAAPolicy.policy(of: "a.example") { _ throws(DNSServer.Failure) in
                throw DNSServer.Failure(description: "x")
            }
        }
    }

    @Test func `large CAs are known by their servers`() {
        #expect(
            CAAJudgement.identities(ofServer: "https://acme-v02.api.letsencrypt.org/directory") == ["letsencrypt.org"])
        #expect(CAAJudgement.identities(ofServer: "https://dv.acme-v02.api.pki.goog/directory") == ["pki.goog"])
        #expect(CAAJudgement.identities(ofServer: "https://notletsencrypt.org/dir") == nil)
    }
}
