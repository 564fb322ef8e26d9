import { Link } from "@tanstack/react-router";
import { Page } from "./page";
import { buttonStyle } from "./ui/button";

/** What stands at an address that no screen has. */
export const NoPage = () => (
  <Page title="There is no such page" lead="The address may be mistyped, or what it named is gone.">
    <Link to="/" className={buttonStyle({ look: "main" })}>
      Go home
    </Link>
  </Page>
);
