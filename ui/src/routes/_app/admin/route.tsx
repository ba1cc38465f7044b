import { createFileRoute, Outlet } from "@tanstack/react-router";
import { useUser } from "@/api/session";
import { AdminNavigation } from "@/features/admin/AdminNavigation";
import { AdminsOnly } from "@/features/admin/AdminsOnly";

export const Route = createFileRoute("/_app/admin")({ component: Admin });

function Admin() {
  if (!useUser().is_admin) return <AdminsOnly />;
  return (
    <>
      <AdminNavigation />
      <Outlet />
    </>
  );
}
