import FoundationEssentials
import Glibc
import Text

/// The fields of a certificate where they stand in its DER form (RFC 5280 §4.1).
struct CertificateFields {
    let serialNumber: [UInt8]
    let notBefore: Date
    let notAfter: Date
    /// Where the issuer's and the subject's Name are.
    let issuer: Range<Int>
    let subject: Range<Int>
    let publicKey: PublicKeyInfo
    /// The subject alternative names that are DNS names or addresses.
    private(set) var alternativeNames: [SubjectName] = []
    private(set) var authorityKeyIdentifier: [UInt8]?
    private(set) var isAuthority = false

    /// Reads a whole certificate; anything after it is refused.
    init(_ der: [UInt8]) throws(DER.Malformed) {
        var outer = DER(der)
        var certificate = try outer.sequence()
        guard outer.isAtEnd else { throw DER.Malformed() }
        var fields = try certificate.sequence()
        _ = try certificate.take(DER.Tag.sequence)
        _ = try certificate.bits(certificate.take())
        guard certificate.isAtEnd else { throw DER.Malformed() }

        _ = try fields.takeOptional(DER.Tag.explicit(0))
        serialNumber = Array(fields.octets(try fields.take(DER.Tag.integer)))
        guard !serialNumber.isEmpty else { throw DER.Malformed() }
        _ = try fields.take(DER.Tag.sequence)
        issuer = try fields.take(DER.Tag.sequence).whole
        var validity = try fields.sequence()
        notBefore = try CertificateFields.date(validity.take(), validity)
        notAfter = try CertificateFields.date(validity.take(), validity)
        subject = try fields.take(DER.Tag.sequence).whole
        publicKey = try PublicKeyInfo(fields.sequence())
        for identifier: UInt8 in [1, 2] { _ = try fields.takeOptional(DER.Tag.implicit(identifier)) }
        if let extensions = try fields.takeOptional(DER.Tag.explicit(3)) {
            var inner = fields.inside(extensions)
            var list = try inner.sequence()
            while !list.isAtEnd { try read(extension: list.sequence()) }
        }
        guard fields.isAtEnd else { throw DER.Malformed() }
    }

    private static let subjectAlternativeName: [UInt8] = [0x55, 0x1D, 0x11]
    private static let basicConstraints: [UInt8] = [0x55, 0x1D, 0x13]
    private static let authorityKeyIdentifier: [UInt8] = [0x55, 0x1D, 0x23]

    private mutating func read(extension der: DER) throws(DER.Malformed) {
        var fields = der
        let identifier = fields.octets(try fields.take(DER.Tag.objectIdentifier))
        _ = try fields.takeOptional(DER.Tag.boolean)
        let value = try fields.take(DER.Tag.octetString)
        guard fields.isAtEnd else { throw DER.Malformed() }
        var content = fields.inside(value)
        if identifier.elementsEqual(CertificateFields.subjectAlternativeName) {
            var names = try content.sequence()
            while !names.isAtEnd {
                let name = try names.take()
                let octets = names.octets(name)
                switch name.tag {
                case DER.Tag.implicit(2):
                    // What a CA put there is kept, even where SubjectName's own rules would refuse it or see an address; but no
                    // more of it than a name has, and nothing that would steer a terminal.
                    let text = String(decoding: octets.prefix(4 * SubjectName.longest), as: UTF8.self)
                        .line(atMost: SubjectName.longest)
                    if case .dns(let host)? = SubjectName(text) {
                        alternativeNames.append(.dns(host))
                    } else {
                        alternativeNames.append(.dns(text))
                    }
                case DER.Tag.implicit(7): alternativeNames.append(.ip(Array(octets)))
                default: continue
                }
            }
        } else if identifier.elementsEqual(CertificateFields.authorityKeyIdentifier) {
            var list = try content.sequence()
            if let key = try list.takeOptional(DER.Tag.implicit(0)) { authorityKeyIdentifier = Array(list.octets(key)) }
        } else if identifier.elementsEqual(CertificateFields.basicConstraints) {
            var list = try content.sequence()
            if let flag = try list.takeOptional(DER.Tag.boolean) { isAuthority = list.octets(flag).first != 0 }
        }
    }

    /// UTCTime `YYMMDDHHMMSSZ` up to 2049, GeneralizedTime `YYYYMMDDHHMMSSZ` after that (RFC 5280 §4.1.2.5).
    private static func date(_ element: DER.Element, _ der: DER) throws(DER.Malformed) -> Date {
        let text = der.octets(element)
        let yearDigits = element.tag == DER.Tag.utcTime ? 2 : 4
        guard element.tag == DER.Tag.utcTime || element.tag == DER.Tag.generalizedTime,
            text.count == yearDigits + 11, text.last == UInt8(ascii: "Z")
        else { throw DER.Malformed() }
        var digits = text.dropLast()[...]
        func number(_ count: Int) throws(DER.Malformed) -> Int32 {
            var value: Int32 = 0
            for byte in digits.prefix(count) {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { throw DER.Malformed() }
                value = value * 10 + Int32(byte - UInt8(ascii: "0"))
            }
            digits = digits.dropFirst(count)
            return value
        }
        var parts = unsafe tm()
        let year = try number(yearDigits)
        // tm counts years from 1900; two digits mean 1950 to 2049.
        let fields = [try number(2), try number(2), try number(2), try number(2), try number(2)]
        guard (1...12).contains(fields[0]), (1...31).contains(fields[1]), fields[2] < 24, fields[3] < 60, fields[4] < 60
        else { throw DER.Malformed() }
        unsafe parts.tm_year = yearDigits == 2 ? (year < 50 ? year + 100 : year) : year - 1900
        unsafe parts.tm_mon = fields[0] - 1
        unsafe parts.tm_mday = fields[1]
        unsafe parts.tm_hour = fields[2]
        unsafe parts.tm_min = fields[3]
        unsafe parts.tm_sec = fields[4]
        return Date(timeIntervalSince1970: TimeInterval(unsafe timegm(&parts)))
    }
}
