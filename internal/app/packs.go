package app

import (
	"context"
	"time"
)

const (
	packEvery = 10 * time.Minute // how often it looks for texts that are in no pack
	// packRests is how many times as long as a step took there is none after it.
	packRests = 4
	packPause = 20 * time.Millisecond // the shortest of these rests
)

// packTexts puts the texts of new payments where searches are through them quickly. One
// node does it for all. What fails is tried again the next time: searches find everything
// without it, and take longer.
func (a *App) packTexts(ctx context.Context) error {
	for {
		n, err := a.Store.Pack(ctx, func(took time.Duration) bool { return pause(ctx, max(packPause, packRests*took)) })
		if err != nil && ctx.Err() == nil {
			a.log.ErrorContext(ctx, "packing texts to search in failed", "packed", n, "err", err)
		} else if n > 0 {
			a.log.InfoContext(ctx, "texts to search in packed", "count", n)
		}
		if !pause(ctx, packEvery) {
			return nil
		}
	}
}
