/// Remedies for other ways of proof than a webroot.
extension Fault {
    var proof: Remedy? {
        switch self {
        case .credentialsMissing(let path): .do("restore \(path), or name the file in the renewal config")
        case .credentialsReadable(let path): .run("chmod 600 \(path.shellWord)")
        case .pluginUnusable: .do("do what the message says, then: certctl renew --dry-run")
        case .challengeRecordLoop: .do("correct the CNAME at the DNS provider", by: .person)
        case .zoneNotDelegated:
            .do("correct the NS records at the registrar, or the name in the certificate", by: .person)
        case .challengeRecordStale(let record):
            .do("remove the TXT records of \(record) at the DNS provider", by: .person)
        case .challengeRecordDiffers:
            .do("see why the secondary servers do not follow", by: .person)
        case .propagationSlow(let waited):
            .do(
                "raise propagation_timeout in /etc/certctl/certctl.conf above \(waited), or see why these servers are slow"
            )
        case .standalonePortTaken(let port):
            .do(
                "stop what listens on port \(port) in a hook of renewal-hooks/pre, and start it in one of renewal-hooks/post"
            )
        case .standaloneAddressWrong: .do("correct http01_address in the renewal config")
        case .statelessWrong:
            .do("put into nginx's server for port 80 what this prints: certctl account thumbprint --nginx")
        default: nil
        }
    }
}
