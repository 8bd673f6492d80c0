package store

import "context"

// Script runs a text of several statements, for tests that fill databases.
func Script(ctx context.Context, s *Store, text string) error {
	return s.engine.migrate(ctx, func(on session) error {
		_, err := on.exec(ctx, text)
		return err
	})
}
