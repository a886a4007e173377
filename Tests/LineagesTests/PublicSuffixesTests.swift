import Testing

@testable import Lineages

/// What names are counted under.
struct PublicSuffixesTests {
    private static let list = """
        // ===BEGIN ICANN DOMAINS===
        org
        uk
        co.uk   rules end at the first blank

        *.ck
        !www.ck
        jp
        公司.cn
        // ===BEGIN PRIVATE DOMAINS===
        dyn.example
        """

    @Test(arguments: [
        ("example.org", "example.org"), ("a.b.example.org", "example.org"), ("*.example.org", "example.org"),
        ("WWW.Example.CO.UK", "example.co.uk"), ("co.uk", "co.uk"), ("a.unlisted.test", "unlisted.test"),
        ("a.b.c.ck", "b.c.ck"), ("www.ck", "www.ck"), ("a.www.ck", "www.ck"), ("a.b.xn--55qx5d.cn", "b.xn--55qx5d.cn"),
        ("a.b.dyn.example", "b.dyn.example"), ("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"),
        ("localhost", "localhost"), ("", ""),
    ])
    func `a name is counted under what was registered`(name: String, domain: String) {
        #expect(PublicSuffixes(list: PublicSuffixesTests.list).registeredDomain(of: name) == domain)
    }

    @Test(arguments: [
        ("a.b.example.org", "example.org"), ("www.example.co.uk", "example.co.uk"),
        ("a.example.com.au", "example.com.au"), ("a.example.de", "example.de"),
    ])
    func `this host's list, or what stands in for it, knows what is common`(name: String, domain: String) {
        #expect(PublicSuffixes.ofHost.registeredDomain(of: name) == domain)
    }
}
