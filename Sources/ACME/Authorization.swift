package import FoundationEssentials
import PKI

/// A CA's record that an account may have certificates for a name (RFC 8555 §7.1.4).
package struct Authorization: Decodable, Sendable {
    /// The state that the CA says it is in (RFC 8555 §7.1.6).
    package enum Status: String, Decodable, Sendable {
        case pending, valid, invalid, deactivated, expired, revoked
    }

    package let identifier: Identifier
    package let status: Status
    /// Whether it is for a whole level; the identifier has no `*.` then.
    package let wildcard: Bool
    /// Until when the CA takes the name as validated, or is ready to validate it; nil where it does not say so.
    package let expires: Date?
    /// The challenges that certctl can make sense of, and the types of the others.
    package let challenges: [Challenge]
    /// The type of each challenge that was offered, known or not.
    package let offeredTypes: [String]

    private enum CodingKeys: String, CodingKey {
        case identifier, status, wildcard, expires, challenges
    }

    package init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        identifier = try members.decode(Identifier.self, forKey: .identifier)
        status = try members.decode(Status.self, forKey: .status)
        wildcard = (try? members.decode(Bool.self, forKey: .wildcard)) ?? false
        expires = (try? members.decode(String.self, forKey: .expires)).flatMap(Timestamp.date)
        // An entry of a type to come, or an ill-formed one, must not hide those that can be used.
        let offers = try members.decode([Offer].self, forKey: .challenges)
        challenges = offers.prefix(Authorization.mostChallenges).compactMap(\.challenge)
        offeredTypes = offers.prefix(Authorization.mostChallenges).compactMap(\.type)
    }

    /// There are five types today, and a CA offers each once.
    private static let mostChallenges = 50

    /// What it is for, as an operator asked for it.
    package var name: String { wildcard ? "*.\(baseName)" : identifier.value }

    /// What it is for, without `*.`: some CAs leave that in the identifier, against RFC 8555 §7.1.4.
    package var baseName: String {
        identifier.value.hasPrefix("*.") ? String(identifier.value.dropFirst(2)) : identifier.value
    }

    /// One entry of `challenges`, whatever it is.
    private struct Offer: Decodable {
        let type: String?
        let challenge: Challenge?

        init(from decoder: any Decoder) throws {
            challenge = try? Challenge(from: decoder)
            type = try? decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .type)
        }

        private enum CodingKeys: String, CodingKey { case type }
    }
}

/// One way to prove control of a name (RFC 8555 §8).
package struct Challenge: Decodable, Sendable {
    /// `http-01`, `dns-01`, `tls-alpn-01`.
    package let type: String
    /// Where the client says that it is ready.
    package let url: String
    /// Its random part: base64url, so that it is safe as a file name (RFC 8555 §8.3).
    package let token: String
    /// The state that the CA says it is in: `pending`, `processing`, `valid` or `invalid`.
    package let status: String?
    /// Why it failed.
    package let error: Problem?

    private enum CodingKeys: String, CodingKey {
        case type, url, token, status, error
    }

    package init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        type = try members.decode(String.self, forKey: .type)
        url = try members.decode(String.self, forKey: .url)
        token = try members.decode(String.self, forKey: .token)
        status = try? members.decode(String.self, forKey: .status)
        error = try? members.decodeIfPresent(Problem.self, forKey: .error)
        // The token becomes a file name: anything but base64url, "../x" say, makes the challenge unusable.
        guard !token.isEmpty, token.utf8.count <= Challenge.longestToken, Base64URL.isValid(token) else {
            throw DecodingError.dataCorruptedError(forKey: .token, in: members, debugDescription: "not a token")
        }
    }

    /// Longer than any CA's (43 characters), and short enough for a file name.
    private static let longestToken = 200
}
