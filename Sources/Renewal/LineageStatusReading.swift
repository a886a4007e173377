import FoundationEssentials
import Lineages

// How a report that a run has left is read, those of schema 1 included.

extension LineageStatus.NextStep {
    /// A report of schema 1 has `because`.
    private enum OldKeys: String, CodingKey { case because }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        at = try values.decodeIfPresent(Date.self, forKey: .at)
        dueSince = try values.decodeIfPresent(Date.self, forKey: .dueSince)
        explanationURL = try values.decodeIfPresent(String.self, forKey: .explanationURL)
        reason =
            try values.decodeIfPresent(String.self, forKey: .reason)
            ?? decoder.container(keyedBy: OldKeys.self).decode(String.self, forKey: .because)
    }
}

extension LineageStatus.Served {
    /// A report of schema 1 has `counts`.
    private enum OldKeys: String, CodingKey { case counts }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        endpoint = try values.decode(String.self, forKey: .endpoint)
        name = try values.decode(String.self, forKey: .name)
        verdict = try values.decode(String.self, forKey: .verdict)
        detail = try values.decode(String.self, forKey: .detail)
        required =
            try values.decodeIfPresent(Bool.self, forKey: .required)
            ?? decoder.container(keyedBy: OldKeys.self).decode(Bool.self, forKey: .counts)
    }
}

extension LineageStatus {
    /// A report of schema 1 has `attempts`.
    private enum OldKeys: String, CodingKey { case attempts }

    /// `condition` is not among them: a reader of the document finds it by the state.
    enum CodingKeys: String, CodingKey {
        case name, domains, state, version, serial, sha256, issuer, issuerCommonName, keyType, notBefore, notAfter,
            daysLeft
        case stage, consecutiveFailures, nextAttempt, served, renewal, problems
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        name = try values.decode(String.self, forKey: .name)
        domains = try values.decode([String].self, forKey: .domains)
        state = try values.decode(State.self, forKey: .state)
        version = try values.decodeIfPresent(Int.self, forKey: .version)
        serial = try values.decodeIfPresent(String.self, forKey: .serial)
        sha256 = try values.decodeIfPresent(String.self, forKey: .sha256)
        issuer = try values.decodeIfPresent(String.self, forKey: .issuer)
        issuerCommonName = try values.decodeIfPresent(String.self, forKey: .issuerCommonName)
        keyType = try values.decodeIfPresent(String.self, forKey: .keyType)
        notBefore = try values.decodeIfPresent(Date.self, forKey: .notBefore)
        notAfter = try values.decodeIfPresent(Date.self, forKey: .notAfter)
        daysLeft = try values.decodeIfPresent(Double.self, forKey: .daysLeft)
        stage = try values.decodeIfPresent(LineageState.Stage.self, forKey: .stage)
        consecutiveFailures =
            try values.decodeIfPresent(Int.self, forKey: .consecutiveFailures)
            ?? decoder.container(keyedBy: OldKeys.self).decodeIfPresent(Int.self, forKey: .attempts)
        nextAttempt = try values.decodeIfPresent(Date.self, forKey: .nextAttempt)
        served = try values.decodeIfPresent([Served].self, forKey: .served)
        renewal = try values.decode(NextStep.self, forKey: .renewal)
        problems = try values.decode([Problem].self, forKey: .problems)
        switch state {
        case .broken, .pending, .unmanaged, .due: condition = state
        // These two hide what else holds, and go on to hold.
        case .expired, .expiring, .ok: condition = nil
        }
    }
}
