import ACME
import Lineages
import PKI
import Text

/// The values of `-d`, and what to say about one that is no name.
enum DomainArgument {
    /// Reads every value; `-d a,b` is two names, as certbot has it, and blanks around the comma are somebody's habit.
    static func names(_ arguments: [String]) throws -> [SubjectName] {
        var names: [SubjectName] = []
        for argument in arguments {
            for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
                let text = part.trimmed
                guard !text.isEmpty else { continue }
                guard let name = SubjectName(text) else {
                    let (message, next) = complaint(text)
                    throw CommandFailure(.usage, message, next: next)
                }
                if !names.contains(name) { names.append(name) }
            }
        }
        return names
    }

    /// What is wrong with it, and what to give instead.
    static func complaint(_ text: String) -> (message: String, next: String) {
        let plain = text.plain
        if let scheme = text.firstRange(of: "://") {
            let host = text[scheme.upperBound...].prefix { !"/?#".contains($0) }
            let name = host.split(separator: "@").last.map(withoutPort) ?? ""
            return ("\(plain) is a URL: a certificate is for a name", suggestion(name))
        }
        if text.contains("/") {
            return (
                "\(plain) has a path: a certificate is for a name", suggestion(withoutPort(text.prefix { $0 != "/" }))
            )
        }
        if text.contains("@") {
            return ("\(plain) is a mail address", "give a host name with -d, and the address with --email")
        }
        if text.contains(where: \.isWhitespace) {
            return ("\(plain) has blanks in it", "give -d once for each name, or names with commas between them")
        }
        let bare = withoutPort(text[...])
        if bare != text, SubjectName(bare) != nil {
            return ("\(plain) has a port: a certificate is for a name, on every port", suggestion(bare))
        }
        if let ascii = Punycode.hostName(text), SubjectName(ascii) != nil {
            return ("\(plain) is an international name, which certificates have in its xn-- form", "-d \(ascii)")
        }
        return ("\(plain) is neither a DNS name nor an IP address", "give a name such as www.example.org")
    }

    private static func suggestion(_ name: String) -> String {
        SubjectName(name) != nil ? "-d \(name)" : "give a name such as www.example.org"
    }

    /// `name:443` and `[::1]:443` without the port.
    private static func withoutPort(_ text: Substring) -> String {
        guard let colon = text.lastIndex(of: ":"), text[text.index(after: colon)...].allSatisfy(\.isNumber),
            text[..<colon].hasSuffix("]") || !text[..<colon].contains(":")
        else { return String(text) }
        return String(text[..<colon])
    }
}

extension Substring {
    fileprivate var trimmed: String {
        var text = self
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}

/// The ASCII form of international names (RFC 3492, with the prefix of RFC 5890 §2.3.2.1).
///
/// Enough to suggest a name: letters are put in lower case, and no other mapping of IDNA is made.
enum Punycode {
    /// A host name with each label in ASCII; nil where none needs it, or one cannot be encoded.
    static func hostName(_ name: String) -> String? {
        let labels = name.lowercased().split(
            omittingEmptySubsequences: false, whereSeparator: { ".\u{3002}\u{FF0E}\u{FF61}".contains($0) })
        var isInternational = false
        var result: [String] = []
        for label in labels {
            if label.utf8.allSatisfy({ $0 < 0x80 }) {
                result.append(String(label))
                continue
            }
            guard label.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "-" }) else { return nil }
            isInternational = true
            result.append("xn--" + encoded(Array(label.unicodeScalars)))
        }
        return isInternational ? result.joined(separator: ".") : nil
    }

    // RFC 3492 §5.
    private static let (base, least, most, skew, damp) = (36, 1, 26, 38, 700)

    private static func encoded(_ label: [Unicode.Scalar]) -> String {
        var output = String(String.UnicodeScalarView(label.filter(\.isASCII)))
        let basic = output.unicodeScalars.count
        if basic > 0 { output += "-" }
        var (number, delta, bias, handled) = (0x80, 0, 72, basic)
        while handled < label.count {
            let next = label.map { Int($0.value) }.filter { $0 >= number }.min() ?? number
            delta += (next - number) * (handled + 1)
            number = next
            for scalar in label {
                if scalar.value < number { delta += 1 }
                guard scalar.value == number else { continue }
                var rest = delta
                var step = base
                while true {
                    let threshold = min(max(step - bias, least), most)
                    if rest < threshold { break }
                    output += digit(threshold + (rest - threshold) % (base - threshold))
                    rest = (rest - threshold) / (base - threshold)
                    step += base
                }
                output += digit(rest)
                bias = adapted(delta, handled + 1, isFirst: handled == basic)
                delta = 0
                handled += 1
            }
            delta += 1
            number += 1
        }
        return output
    }

    /// RFC 3492 §6.1.
    private static func adapted(_ delta: Int, _ points: Int, isFirst: Bool) -> Int {
        var delta = isFirst ? delta / damp : delta / 2
        delta += delta / points
        var steps = 0
        while delta > (base - least) * most / 2 {
            delta /= base - least
            steps += base
        }
        return steps + (base - least + 1) * delta / (delta + skew)
    }

    private static func digit(_ value: Int) -> String {
        let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789")
        return String(letters[value])
    }
}
