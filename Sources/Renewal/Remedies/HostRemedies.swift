/// Remedies for what a renewal needs on this host and in the DNS.
extension Fault {
    var renewalNeeds: Remedy? {
        switch self {
        case .diskFull(let path): .do("make room on the file system of \(path)")
        case .diskReadOnly(let path):
            .do("see dmesg for why the file system of \(path) is read-only, then remount it: mount -o remount,rw")
        case .immutable(let path): .run("chattr -i \(path.shellWord)")
        case .writeRefused(let path):
            .do(
                "let root write to \(path): see the mount's options (findmnt -T \(path.shellWord)), SELinux and AppArmor"
            )
        case .accountMissing(let server, let failure), .accountRefused(let server, let failure):
            failure.map { Fault.register(server, after: $0) } ?? Fault.register(server)
        case .accountAmbiguous(let conf, let ids):
            .do("set account = ID under [renewalparams] in \(conf), one of \(ids.joined(separator: ", "))")
        case .accountUnusable(let path, let server):
            .do("restore \(path) from a backup; or make another account: \(Fault.register(server).text)")
        case .serverInvalid(let conf): .do("correct server in \(conf)")
        case .webrootMissing(let path): .run("mkdir -p \(path.shellWord)")
        case .webrootNoDirectory(let path): .do("put a directory in the place of \(path)")
        case .webrootUnknown(let conf):
            .do("set webroot_path under [renewalparams] in \(conf): the directory that nginx serves challenges from")
        case .webrootObstructed(let path):
            .do(
                "put a directory there, or a symlink of root's to one (chown -h root \(path), if it leads where it should)"
            )
        case .webrootNotWritable(let path):
            .do("let root write to \(path): see findmnt -T \(path.shellWord) and ls -ld \(path.shellWord)")
        default: nil
        }
    }

    var names: Remedy? {
        switch self {
        case .nameUnresolved(let name):
            .do("make an A or AAAA record for \(name), or issue again without it", by: .person)
        case .resolverSilent(configured: true): .do("name another DNS server with --resolver")
        case .resolverSilent(configured: false):
            .do("correct the name servers in /etc/resolv.conf: nothing can be renewed without them")
        case .addressRefused(let name, let family):
            family == "AAAA"
                ? .do("give nginx: listen [::]:80;   or remove the AAAA record of \(name)")
                : .do("give nginx: listen 80;   or remove the A record of \(name)")
        case .wrongAddress(let name, let family):
            .do("point the \(family) record of \(name) to this host, or remove it", by: .person)
        case .caaForbids(let owner, let tag, let identity):
            .do("add to the DNS: \(owner). CAA 0 \(tag) \"\(identity)\"", by: .person)
        default: nil
        }
    }
}
