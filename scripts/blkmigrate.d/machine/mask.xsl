<?xml version="1.0"?>
<!-- SPDX-License-Identifier: GPL-3.0-or-later

     A domain without what must not be shown: passwords, and QEMU's command line and the
     firmware's strings, which may hold one. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
    xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
  <xsl:output method="xml" encoding="UTF-8" omit-xml-declaration="yes"/>

  <xsl:template match="@* | node()">
    <xsl:copy>
      <xsl:apply-templates select="@* | node()"/>
    </xsl:copy>
  </xsl:template>

  <xsl:template match="@passwd | @password | qemu:arg/@value | qemu:env/@value">
    <xsl:attribute name="{name()}">***</xsl:attribute>
  </xsl:template>

  <xsl:template match="fw_cfg | sysinfo//entry/text() | launchSecurity//text()[normalize-space()]">***</xsl:template>
</xsl:stylesheet>
