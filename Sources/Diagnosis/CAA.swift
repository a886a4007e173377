import Challenges
import Text

/// Which CAs may issue for a name, as its CAA records have it (RFC 8659, RFC 8657).
struct CAAPolicy: Equatable, Sendable {
    /// One property.
    struct Property: Equatable, Sendable {
        let isCritical: Bool
        /// In lower case.
        let tag: String
        let value: String
    }

    /// The name whose records count: the one that was asked for, or the first above it that has any.
    let owner: String
    let properties: [Property]

    /// Reads the records of an answer.
    static func properties(_ records: [DNSMessage.Record]) -> [Property] {
        records.filter { $0.type == DNSMessage.Kind.caa.rawValue }.compactMap { record in
            let data = record.data
            guard data.count > 2, case let length = Int(data[1]), length > 0, data.count >= 2 + length else {
                return nil
            }
            return Property(
                isCritical: data[0] & 0x80 != 0,
                tag: String(decoding: data[2..<2 + length], as: UTF8.self).lowercased(),
                value: String(decoding: data[(2 + length)...], as: UTF8.self))
        }
    }

    /// Climbs from a name to the one whose records count; nil where no name has any.
    static func policy(of name: String, _ ask: (String) throws -> DNSMessage.Answer) rethrows -> CAAPolicy? {
        var labels = name.split(separator: ".").drop { $0 == "*" }
        while !labels.isEmpty {
            let owner = labels.joined(separator: ".")
            let properties = properties(try ask(owner).records)
            if !properties.isEmpty { return CAAPolicy(owner: owner, properties: properties) }
            labels = labels.dropFirst()
        }
        return nil
    }

    /// Why a CA may not issue, in a line; nil when it may.
    ///
    /// - Parameters:
    ///   - identities: the names by which records mean the CA.
    ///   - account: the account's URL, nil where it is not known.
    func refusal(
        for identities: Set<String>, account: String?, method: String = "http-01", isWildcard: Bool = false
    ) -> String? {
        let known: Set = ["issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"]
        if let unknown = properties.first(where: { $0.isCritical && !known.contains($0.tag) }) {
            return "\(owner) has a critical CAA property \(unknown.tag), which no CA knows"
        }
        let wild = isWildcard ? properties.filter { $0.tag == "issuewild" } : []
        let issue = wild.isEmpty ? properties.filter { $0.tag == "issue" } : wild
        guard !issue.isEmpty else { return nil }
        var reasons: [String] = []
        for property in issue {
            let parts = property.value.split(separator: ";", omittingEmptySubsequences: false).map(\.trimmed)
            guard let domain = parts.first, identities.contains(domain.lowercased()) else {
                reasons.append("\(property.tag) \"\(property.value)\"")
                continue
            }
            guard let obstacle = CAAPolicy.obstacle(in: parts.dropFirst(), account, method) else { return nil }
            reasons.append("\(property.tag) \"\(property.value)\": \(obstacle)")
        }
        return "the CAA records of \(owner) do not allow \(identities.sorted().joined(separator: " or ")): "
            + reasons.few()
    }

    /// What a property's parameters object to (RFC 8657 §3, §4).
    private static func obstacle(in parameters: ArraySlice<String>, _ account: String?, _ method: String) -> String? {
        for parameter in parameters {
            let pair = parameter.split(separator: "=", maxSplits: 1).map(\.trimmed)
            guard pair.count == 2 else { continue }
            switch pair[0].lowercased() {
            case "accounturi":
                if let account, pair[1] != account { return "it is for another account than \(account)" }
            case "validationmethods":
                let methods = pair[1].split(separator: ",").map(\.trimmed)
                if !methods.contains(method) { return "it does not allow \(method)" }
            default: break
            }
        }
        return nil
    }
}
