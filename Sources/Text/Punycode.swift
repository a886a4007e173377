/// The ASCII form of international names (RFC 3492, with the prefix of RFC 5890 §2.3.2.1).
///
/// Enough to suggest a name and to read a list of names: letters are put in lower case, and no other mapping of IDNA is made.
package enum Punycode {
    /// A host name with each label in ASCII; nil where none needs it, or one cannot be encoded.
    package static func hostName(_ name: String) -> String? {
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
