package main

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"quittance/internal/config"
)

const deploy = "../../docs/deploy"

// What operators copy must fit the program they copy it for.

type composeFile struct {
	Services map[string]composeService `yaml:"services"`
	Networks map[string]struct {
		IPAM struct {
			Config []struct {
				Subnet string `yaml:"subnet"`
			} `yaml:"config"`
		} `yaml:"ipam"`
	} `yaml:"networks"`
	Volumes map[string]any `yaml:"volumes"`
}

type composeService struct {
	Image       string            `yaml:"image"`
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Volumes     []string          `yaml:"volumes"`
	Networks    []string          `yaml:"networks"`
	DependsOn   map[string]any    `yaml:"depends_on"`
	Healthcheck struct {
		Test []string `yaml:"test"`
	} `yaml:"healthcheck"`
	StopGracePeriod string   `yaml:"stop_grace_period"`
	ReadOnly        bool     `yaml:"read_only"`
	CapDrop         []string `yaml:"cap_drop"`
	SecurityOpt     []string `yaml:"security_opt"`
	Ulimits         struct {
		NoFile int `yaml:"nofile"`
	} `yaml:"ulimits"`
	Profiles []string `yaml:"profiles"`
}

func deployed(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(deploy, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// compose reads the file; a service's own word takes the place of what it shares.
func compose(t *testing.T) composeFile {
	t.Helper()
	var c composeFile
	if err := yaml.UnmarshalWithOptions([]byte(deployed(t, "compose.yaml")), &c, yaml.AllowDuplicateMapKey()); err != nil {
		t.Fatal(err)
	}
	return c
}

// variables are the names that the configuration asks the environment for.
func variables(t *testing.T) map[string]bool {
	t.Helper()
	asked := map[string]bool{"QUITTANCE_CONFIG": true} // of the command line
	_, _ = config.Load("", func(name string) string {  // without any there is nothing to serve
		asked[name] = true
		return ""
	})
	return asked
}

var (
	variable = regexp.MustCompile(`\bQUITTANCE_[A-Z0-9_]+`)
	ofProxy  = []string{"QUITTANCE_SITE", "QUITTANCE_NODES"} // of the Caddyfile, which says what they are
)

func TestDeployedVariablesExist(t *testing.T) {
	known := variables(t)
	if !known["QUITTANCE_DATABASE"] || len(known) < 20 {
		t.Fatalf("only %d variables are known: this test reads them wrongly", len(known))
	}
	for _, name := range []string{"compose.yaml", "Caddyfile", "quittance.service", "env.example", "../deploying.md"} {
		for _, v := range variable.FindAllString(deployed(t, name), -1) {
			if v != "QUITTANCE_" && !known[v] && !slices.Contains(ofProxy, v) {
				t.Errorf("%s: nobody reads %s", name, v)
			}
		}
	}
}

// settled are the settings of a node as Compose makes them of the files.
func settled(t *testing.T, s composeService) map[string]string {
	t.Helper()
	env := map[string]string{}
	for line := range strings.Lines(deployed(t, "env.example")) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			env[name] = value
		}
	}
	out := maps.Clone(s.Environment)
	for name, value := range out {
		out[name] = regexp.MustCompile(`\$\{([A-Z_]+):\?[^}]*\}`).ReplaceAllStringFunc(value, func(v string) string {
			name, _, _ := strings.Cut(strings.TrimPrefix(v, "${"), ":")
			if env[name] == "" {
				t.Errorf("env.example has no %s", name)
			}
			return env[name]
		})
	}
	return out
}

func TestComposedNodesAreConfigured(t *testing.T) {
	c := compose(t)
	for _, name := range []string{"node-1", "node-2", "tool"} {
		s := c.Services[name]
		settings := settled(t, s)
		cfg, err := config.Load(filepath.Join(deploy, "config", "quittance.yaml"), func(name string) string { return settings[name] })
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.HasPrefix(string(cfg.Database), "postgres://quittance:replace-this-password@postgres:") {
			t.Errorf("%s: another database", name)
		}
		if subnet := c.Networks["inside"].IPAM.Config[0].Subnet; !slices.Equal(cfg.TrustedProxies, []string{subnet}) {
			t.Errorf("%s trusts %v, the proxy is in %s", name, cfg.TrustedProxies, subnet)
		}
		if stop, err := time.ParseDuration(s.StopGracePeriod); err != nil || stop < time.Duration(cfg.Drain)+30*time.Second {
			t.Errorf("%s is killed after %s, and says goodbye for %s", name, s.StopGracePeriod, cfg.Drain)
		}
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || s.Ulimits.NoFile < 65536 {
			t.Errorf("%s may do more than it has to, or has too few sockets", name)
		}
		if _, ok := s.DependsOn["postgres"]; !ok || s.Image != "quittance" {
			t.Errorf("%s starts %s without the database", name, s.Image)
		}
		command(t, name, s.Command)
		if want := map[bool]string{true: "config", false: "serve"}[name == "tool"]; s.Command[0] != want {
			t.Errorf("%s runs %v", name, s.Command)
		}
		if test := s.Healthcheck.Test; name != "tool" {
			if len(test) < 3 || test[0] != "CMD" || test[1] != "/usr/local/bin/quittance" {
				t.Errorf("%s: health is asked by %v", name, test)
				continue
			}
			command(t, name, test[2:])
		}
	}
	nodes := strings.Fields(c.Services["proxy"].Environment["QUITTANCE_NODES"])
	if !slices.Equal(nodes, []string{"node-1:8402", "node-2:8402"}) {
		t.Errorf("the proxy sends payers to %v", nodes)
	}
	if file := deployed(t, "Caddyfile"); !strings.Contains(file, "health_uri /readyz") || !strings.Contains(file, "{$QUITTANCE_NODES:") {
		t.Error("the proxy does not ask nodes whether they are ready")
	}
	for name, s := range c.Services {
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if _, named := c.Volumes[from]; named {
				continue
			}
			if _, err := os.Stat(filepath.Join(deploy, from)); errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s mounts %s, which is not there", name, from)
			}
		}
	}
}

// command fails unless the program has this command, with these flags.
func command(t *testing.T, where string, args []string) {
	t.Helper()
	c, rest, err := root().Find(args)
	if err != nil || c.Name() == "quittance" {
		t.Errorf("%s: there is no command %v", where, args)
		return
	}
	for _, a := range rest {
		name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if strings.HasPrefix(a, "--") && c.Flags().Lookup(name) == nil && c.InheritedFlags().Lookup(name) == nil {
			t.Errorf("%s: %s has no flag %s", where, c.CommandPath(), a)
		}
	}
}

func TestDeployedCommandsExist(t *testing.T) {
	found := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(deployed(t, "../deploying.md"), -1) {
		for line := range strings.Lines(block[1]) {
			line, _, _ = strings.Cut(line, " #")
			for _, tool := range []string{"compose run --rm tool ", "docker run --rm quittance ", "sudo -u quittance quittance "} {
				_, args, ok := strings.Cut(line, tool)
				if !ok {
					continue
				}
				found++
				args, _, _ = strings.Cut(args, ">")
				args, _, _ = strings.Cut(args, "|")
				command(t, "deploying.md", strings.Fields(args))
			}
		}
	}
	if found < 6 {
		t.Errorf("only %d commands were found: this test reads the guide wrongly", found)
	}
}

func TestUnit(t *testing.T) {
	unit := map[string]string{}
	for line := range strings.Lines(deployed(t, "quittance.service")) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			unit[name] = value
		}
	}
	for name, want := range map[string]string{
		"Type": "exec", "User": "quittance", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "StateDirectory": "quittance",
		"WorkingDirectory": "/var/lib/quittance", "LimitNOFILE": "65536", "KillSignal": "SIGTERM", "Restart": "always",
	} {
		if unit[name] != want {
			t.Errorf("%s=%s, want %s", name, unit[name], want)
		}
	}
	args := strings.Fields(unit["ExecStart"])
	if len(args) == 0 || args[0] != "/usr/local/bin/quittance" {
		t.Fatalf("ExecStart=%s", unit["ExecStart"])
	}
	command(t, "quittance.service", args[1:])
	verifyUnit(t)
	if stop, err := time.ParseDuration(unit["TimeoutStopSec"] + "s"); err != nil || stop < 35*time.Second {
		t.Errorf("TimeoutStopSec=%s", unit["TimeoutStopSec"])
	}
}

// verifyUnit asks systemd itself, where it is installed. It wants the program to be there:
// the test's own takes its place.
func verifyUnit(t *testing.T) {
	t.Helper()
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd is not installed: nobody but this test has read the unit")
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "quittance.service")
	text := strings.ReplaceAll(deployed(t, "quittance.service"), "/usr/local/bin/quittance", exe)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool, "verify", "--man=no", file).CombinedOutput(); err != nil || strings.Contains(string(out), "quittance.service") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// ruleFile is all that Prometheus knows in a file of alerts.
type ruleFile struct {
	Groups []struct {
		Name     string `yaml:"name"`
		Interval string `yaml:"interval"`
		Rules    []struct {
			Alert         string            `yaml:"alert"`
			Expr          string            `yaml:"expr"`
			For           string            `yaml:"for"`
			KeepFiringFor string            `yaml:"keep_firing_for"`
			Labels        map[string]string `yaml:"labels"`
			Annotations   map[string]string `yaml:"annotations"`
		} `yaml:"rules"`
	} `yaml:"groups"`
}

// Prometheus refuses a file with a word that it does not know, a name that is there twice,
// or a time or an expression that it cannot read.
func TestAlerts(t *testing.T) {
	var f ruleFile
	if err := yaml.UnmarshalWithOptions([]byte(deployed(t, "alerts.yaml")), &f, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	name, span := regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`), regexp.MustCompile(`^([0-9]+(ms|[smhdwy]))*$`)
	seen := map[string]bool{}
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			if !name.MatchString(r.Alert) || seen[r.Alert] || !span.MatchString(r.For) || !span.MatchString(r.KeepFiringFor) {
				t.Errorf("alert %q: its name or its time is none, or it is there twice", r.Alert)
			}
			seen[r.Alert] = true
			if why := unreadable(r.Expr); why != "" {
				t.Errorf("%s: %s in %s", r.Alert, why, r.Expr)
			}
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
				t.Errorf("%s does not say how bad it is, or what it is", r.Alert)
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d alerts were found: this test reads the file wrongly", len(seen))
	}
}

// unreadable says what is wrong with the form of an expression, "" if nothing is: brackets
// that do not match, a text that does not end, a range that is no time.
func unreadable(expr string) string {
	texts := regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	bare := texts.ReplaceAllString(expr, "")
	if strings.ContainsAny(bare, `"'`+"`") {
		return "a text that does not end"
	}
	var open []rune
	closes := map[rune]rune{')': '(', ']': '[', '}': '{'}
	for _, c := range bare {
		switch c {
		case '(', '[', '{':
			open = append(open, c)
		case ')', ']', '}':
			if len(open) == 0 || open[len(open)-1] != closes[c] {
				return "a bracket that nobody opened"
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		return "a bracket that nobody closes"
	}
	for _, r := range regexp.MustCompile(`\[([^\]]*)\]`).FindAllStringSubmatch(bare, -1) {
		if !regexp.MustCompile(`^([0-9]+(ms|[smhdwy]))+(:([0-9]+(ms|[smhdwy]))*)?$`).MatchString(r[1]) {
			return "a range that is no time"
		}
	}
	if strings.TrimSpace(bare) == "" || regexp.MustCompile(`(==|!=|>=|<=|[<>+*/-]|\b(and|or|unless|by|on))\s*$`).MatchString(bare) {
		return "an end that is none"
	}
	return ""
}

func TestUnreadableExpressions(t *testing.T) {
	for expr, fine := range map[string]bool{
		`up{job="a"} == 0`: true, `rate(x[5m]) > 1`: true, `max_over_time(x[1h:5m])`: true, `a{b="]"} > 1`: true,
		`rate(x[5m] > 1`: false, `x{a="b} > 1`: false, `rate(x[5 m]) > 1`: false, `x >`: false, `x) > 1`: false, ``: false,
	} {
		if why := unreadable(expr); (why == "") != fine {
			t.Errorf("%s: %q", expr, why)
		}
	}
}
