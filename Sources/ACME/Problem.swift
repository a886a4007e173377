import FoundationEssentials

/// A CA's refusal in its own words (RFC 7807, RFC 8555 §6.7).
package struct Problem: Decodable, Hashable, Sendable, CustomStringConvertible {
    /// The last part of a URN of ACME's, such as `rateLimited`; any other type as it is; nil where the CA gave none.
    package let type: String?
    /// What happened, for people.
    package let detail: String?
    /// The name that a subproblem is about.
    package let identifier: Identifier?
    /// What is wrong with each name.
    package let subproblems: [Problem]
    /// The status of the response, where the problem came as one.
    package var status: Int?
    /// False for a refusal that came without a problem document, which need not be the CA's own.
    let isDocument: Bool

    private static let namespace = "urn:ietf:params:acme:error:"

    package init(
        type: String?, detail: String?, identifier: Identifier? = nil, subproblems: [Problem] = [], status: Int? = nil,
        isDocument: Bool = true
    ) {
        (self.type, self.detail, self.identifier) = (type?.plainSentence, detail?.plainSentence, identifier)
        (self.subproblems, self.status, self.isDocument) = (subproblems, status, isDocument)
    }

    private enum CodingKeys: String, CodingKey {
        case type, detail, identifier, subproblems, status
    }

    /// Takes what is there: a CA in trouble may leave out or mistype anything. Its words are made safe to print here.
    package init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        let type = try? members.decode(String.self, forKey: .type)
        self.init(
            type: type.map { $0.hasPrefix(Problem.namespace) ? String($0.dropFirst(Problem.namespace.count)) : $0 },
            detail: try? members.decode(String.self, forKey: .detail),
            identifier: try? members.decode(Identifier.self, forKey: .identifier),
            subproblems: (try? members.decode([Problem].self, forKey: .subproblems)) ?? [],
            status: try? members.decode(Int.self, forKey: .status))
    }

    /// Whether the same request may succeed later without anybody doing anything.
    package var isTemporary: Bool {
        switch type {
        case "serverInternal", "badNonce": true
        default: isRateLimit || (status ?? 0) >= 500
        }
    }

    /// Whether the CA was asked too often, or too often for a name.
    package var isRateLimit: Bool { type == "rateLimited" || status == 429 }

    /// The CA's words on one line, each subproblem after its name.
    package var description: String {
        var text = detail ?? "no detail given"
        if let type { text += " (\(type))" }
        for problem in subproblems {
            text += "; "
            if let identifier = problem.identifier { text += "\(identifier.value.plainSentence): " }
            text += problem.description
        }
        return text
    }
}
