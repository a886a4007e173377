import FoundationEssentials
import Text

/// A CA's refusal in its own words (RFC 7807, RFC 8555 §6.7), cut to what an operator reads: no state file or hook is to carry
/// a megabyte of it.
package struct Problem: Decodable, Hashable, Sendable, CustomStringConvertible {
    /// The last part of a URN of ACME's, such as `rateLimited`; any other type as it is; nil where the CA gave none.
    package let type: String?
    /// What happened, for people.
    package let detail: String?
    /// The name that a subproblem is about.
    package let identifier: Identifier?
    /// What is wrong with each name; of many, the first ones.
    package let subproblems: [Problem]
    /// How many more subproblems the CA gave.
    package let omitted: Int
    /// Where there is more to read or to do about it, such as to agree to changed terms (RFC 7807 §3.1, RFC 8555 §7.3.3): an
    /// `https` URL.
    package let instance: String?
    /// The status of the response, where the problem came as one.
    package var status: Int?
    /// False for a refusal that came without a problem document, which need not be the CA's own.
    let isDocument: Bool

    private static let namespace = "urn:ietf:params:acme:error:"
    /// A sentence or two, with a URL that holds a token: that of Let's Encrypt for a paused name has some 700 characters.
    static let longestDetail = 2_000
    /// Of a subproblem, as there may be many.
    static let longestPart = 300
    static let mostSubproblems = 10
    private static let longestType = 100
    /// A DNS name has 253 octets at most (RFC 1035 §2.3.4).
    private static let longestName = 255
    /// All of it on one line.
    static let longest = 3_000

    package init(
        type: String?, detail: String?, identifier: Identifier? = nil, subproblems: [Problem] = [], omitted: Int = 0,
        instance: String? = nil, status: Int? = nil, isDocument: Bool = true
    ) {
        self.type = type?.line(atMost: Problem.longestType)
        self.detail = detail?.line(atMost: Problem.longestDetail)
        self.identifier = identifier?.cut(to: Problem.longestName)
        self.subproblems = Array(subproblems.prefix(Problem.mostSubproblems))
        self.omitted = omitted + max(0, subproblems.count - Problem.mostSubproblems)
        self.instance = instance.flatMap { ServerURL.isUsable($0) ? $0 : nil }
        (self.status, self.isDocument) = (status, isDocument)
    }

    private enum CodingKeys: String, CodingKey {
        case type, detail, identifier, subproblems, instance, status
    }

    /// Takes what is there: a CA in trouble may leave out or mistype anything. Its words are made safe to print here.
    package init(from decoder: any Decoder) throws {
        try self.init(decoder.container(keyedBy: CodingKeys.self), isPart: false)
    }

    /// - Parameter isPart: whether it is a subproblem, which has none itself (RFC 8555 §6.7.1).
    private init(_ members: KeyedDecodingContainer<CodingKeys>, isPart: Bool) {
        let type = try? members.decode(String.self, forKey: .type)
        let detail = try? members.decode(String.self, forKey: .detail)
        let (parts, omitted) = isPart ? ([], 0) : Problem.parts(of: members)
        self.init(
            type: type.map { $0.hasPrefix(Problem.namespace) ? String($0.dropFirst(Problem.namespace.count)) : $0 },
            detail: isPart ? detail?.line(atMost: Problem.longestPart) : detail,
            identifier: try? members.decode(Identifier.self, forKey: .identifier), subproblems: parts, omitted: omitted,
            instance: try? members.decode(String.self, forKey: .instance),
            status: try? members.decode(Int.self, forKey: .status))
    }

    /// The first subproblems, and how many there are besides.
    private static func parts(of members: KeyedDecodingContainer<CodingKeys>) -> ([Problem], Int) {
        guard var list = try? members.nestedUnkeyedContainer(forKey: .subproblems) else { return ([], 0) }
        let count = list.count ?? 0
        var parts: [Problem] = []
        while parts.count < mostSubproblems, !list.isAtEnd,
            let part = try? list.nestedContainer(keyedBy: CodingKeys.self)
        {
            parts.append(Problem(part, isPart: true))
        }
        return (parts, max(0, count - parts.count))
    }

    /// Whether the same request may succeed later without anybody doing anything.
    package var isTemporary: Bool {
        if needsOperator { return false }
        switch type {
        case "serverInternal", "badNonce": return true
        default:
            // "Not implemented" and "HTTP version not supported" stay what they are (RFC 9110 §15.6).
            let isFault = (status ?? 0) >= 500 && status != 501 && status != 505
            return isRateLimit || isFault
        }
    }

    /// Whether the CA was asked too often, or too often for a name.
    package var isRateLimit: Bool { type == "rateLimited" || status == 429 }

    /// Whether the CA waits for a person: to agree to terms, or to end the pause of a name that has failed for months.
    package var needsOperator: Bool { type == "userActionRequired" || isPaused }

    /// Let's Encrypt has no type of its own for a paused name: what tells it from other rate limits is the self-service page.
    private var isPaused: Bool {
        type == "rateLimited" && detail?.contains("https://") == true && detail?.contains("/unpause?") == true
    }

    /// The CA's words on one line, each subproblem after its name.
    package var description: String {
        var text = detail ?? "no detail given"
        if let type { text += " (\(type))" }
        for problem in subproblems {
            text += "; "
            if let identifier = problem.identifier { text += "\(identifier.value): " }
            text += problem.description
        }
        if omitted > 0 { text += "; and \(omitted) more" }
        if let instance, detail?.contains(instance) != true { text += "; see \(instance)" }
        return text.line(atMost: Problem.longest)
    }
}

extension Identifier {
    fileprivate func cut(to most: Int) -> Identifier {
        Identifier(type: type.line(atMost: 20), value: value.line(atMost: most))
    }
}
