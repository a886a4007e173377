import PKI
import Testing

struct SubjectNameTests {
    @Test(arguments: [
        ("example.org", "example.org"), ("WWW.Example.ORG", "www.example.org"), ("example.org.", "example.org"),
        ("*.example.org", "*.example.org"), ("_acme.example.org", "_acme.example.org"), ("localhost", "localhost"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"), ("1.2.3.4.example", "1.2.3.4.example"),
        ("a-1.b2", "a-1.b2"),
    ])
    func `a DNS name is read`(text: String, name: String) {
        #expect(SubjectName(text) == .dns(name))
        #expect(SubjectName(text)?.description == name)
        #expect(SubjectName(text)?.isWildcard == name.hasPrefix("*"))
    }

    @Test(arguments: [
        ("192.0.2.1", "192.0.2.1"), ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"), ("[::1]", "::1"), ("::", "::"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
    ])
    func `an address is read, and written in its short form`(text: String, address: String) {
        guard case .ip? = SubjectName(text) else {
            Issue.record("\(text) is \(String(describing: SubjectName(text)))")
            return
        }
        #expect(SubjectName(text)?.description == address)
    }

    static let longLabel = String(repeating: "a", count: 63)
    static let longName = "\(longLabel).\(longLabel).\(longLabel).\(String(repeating: "a", count: 61))"

    @Test func `the longest label and the longest name are read, one octet more is not`() {
        #expect(Self.longName.utf8.count == 253)
        #expect(SubjectName(Self.longName) != nil)
        #expect(SubjectName("\(Self.longName)a") == nil)
        #expect(SubjectName("\(Self.longLabel).example") != nil)
        #expect(SubjectName("\(Self.longLabel)a.example") == nil)
    }

    @Test(arguments: [
        "", ".", "..", "a,b.example", "a b.example", " a.example", "a.example\n", "a\n.example", "a.example\r",
        "a..example",
        ".example.org", "example.org..", "-a.example", "a-.example", "*", "*.", "a.*.example", "*a.example",
        "*.*.example",
        "10.0.0", "1.2.3.4.5", "1.2.3.256", "example.123", "*.1", "bücher.example", "例え.example", "\u{212A}.example",
        "a.example\0", "1.2.3.4\0", "1.2.3.4\0.example", "a/b", "../etc", "a:b", "::1%lo", "[a.example]", "[::1",
        "::1]",
        "a.example;", "a@b.example", "https://a.example", "a\u{1B}[0m.example",
    ])
    func `what is no name is refused`(text: String) {
        #expect(SubjectName(text) == nil)
    }

    @Test func `an address of no family's length is shown in hexadecimal`() {
        #expect(SubjectName.ip([1, 2, 0xFF]).description == "0102ff")
    }
}

struct Base64URLTests {
    @Test func `the test vectors of RFC 4648, without padding`() {
        for (text, code) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")] {
            #expect(Base64URL.encode(text.utf8) == code)
            #expect(Base64URL.decode(code) == Array(text.utf8))
        }
        #expect(Base64URL.encode([0xFB, 0xFF, 0xFE]) == "-__-")
        #expect(Base64URL.decode("-__-") == [0xFB, 0xFF, 0xFE])
    }

    @Test(arguments: ["Zg==", "Zg=", "+/+/", "Zm9v\n", " Zg", "Z", "Zm9vY", "Zé"])
    func `what is not base64url is refused`(text: String) {
        #expect(Base64URL.decode(text) == nil)
    }
}
