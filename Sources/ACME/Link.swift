import FoundationEssentials

/// The Link header (RFC 8288), as far as ACME uses it.
enum Link {
    /// The targets of the links with a relation; parameters in any order, relations quoted or not.
    ///
    /// A target's own commas and semicolons are part of it; a link that cannot be read ends the field.
    static func targets(of relation: String, in fields: [String]) -> [String] {
        fields.flatMap { field in
            var targets: [String] = []
            var rest = field[...]
            while let start = rest.firstIndex(of: "<"), let end = rest[start...].firstIndex(of: ">") {
                let target = rest[rest.index(after: start)..<end]
                rest = rest[end...].dropFirst()
                let parameters = rest.prefix { $0 != "<" }
                rest = rest[parameters.endIndex...]
                if relations(in: parameters).contains(where: { $0.lowercased() == relation }) {
                    targets.append(String(target))
                }
            }
            return targets
        }
    }

    /// A target as an absolute URL; it may be given relative to that of the request (RFC 8288 §3.1).
    static func resolved(_ target: String, against url: String) -> String {
        URL(string: target, relativeTo: URL(string: url))?.absoluteString ?? target
    }

    private static func relations(in parameters: Substring) -> [Substring] {
        parameters.split { $0 == ";" || $0 == "," }.map { $0.trimming(" \t") }
            .first { $0.lowercased().hasPrefix("rel=") }
            .map { $0.dropFirst(4).trimming("\"").split(separator: " ") } ?? []
    }
}

extension Substring {
    fileprivate func trimming(_ characters: String) -> Substring {
        var text = self
        while let first = text.first, characters.contains(first) { text.removeFirst() }
        while let last = text.last, characters.contains(last) { text.removeLast() }
        return text
    }
}
