// The system's Chromium and the flags that keep it on this machine: no
// background services, and no name but this host's own resolves.
export const executablePath = '/usr/bin/chromium';

export const flags = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-default-apps',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE [::1]',
  // Chromium's own sandbox does not start as root, which is what most CI
  // containers are.
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
];
