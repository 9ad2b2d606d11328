// Where long tasks were left: replays and rebuilds.
CREATE CONSTRAINT bookmark_task IF NOT EXISTS FOR (bookmark:Bookmark) REQUIRE bookmark.task IS UNIQUE;
